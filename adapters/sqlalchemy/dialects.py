"""For each dialect a twin that compiles under the guard."""

from __future__ import annotations

from typing import Any, Final, cast

from sqlalchemy import delete, select, update
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from .binds import role_of
from .compiler import GuardedCompiler
from .errors import ConfigurationError
from .registry import registry

__all__ = ["guarded_dialect", "is_guarded"]

SUPPORTED_DIALECTS: Final = frozenset({"sqlite", "postgresql", "mysql", "mariadb"})
"""The dialects on which every access path is tested. On another one a path could be
open without anybody knowing, so that one is refused."""


class _Guarded:
    """Marks the dialect classes made here."""


_classes: Final[dict[tuple[type[Dialect], bool], type[Dialect]]] = {}


def _class_for(kind: type[Dialect], *, scans: bool) -> type[Dialect]:
    if (kind, scans) not in _classes:
        plain = kind.statement_compiler
        compiler = type(
            f"Guarded{plain.__name__}", (GuardedCompiler, plain), {"_tenantshield_scans": scans}
        )
        # SQLAlchemy wants each dialect class to say for itself that its statements may
        # be cached; the guard changes nothing about that, since no tenant is compiled in.
        namespace = {
            "statement_compiler": compiler,
            "supports_statement_cache": kind.__dict__.get("supports_statement_cache", False),
        }
        made = type(f"Guarded{kind.__name__}", (_Guarded, kind), namespace)
        _classes[kind, scans] = cast("type[Dialect]", made)
    return _classes[kind, scans]


_TWINS: Final = "_tenantshield_twins"


def guarded_dialect(dialect: Dialect, *, reviewed: bool = False) -> Dialect:
    """Return the twin of ``dialect`` that compiles under the guard.

    The twin shares the state of ``dialect``, whatever happens to that later, and has
    another class. SQLAlchemy's caches of compiled statements have the dialect in their
    key, so a twin is made anew when the registry has changed.

    Args:
        dialect: an engine's dialect.
        reviewed: leave raw SQL alone; everything else is confined all the same.

    Raises:
        ConfigurationError: the access paths of this dialect were never tested.
    """
    generation = registry.generation
    twins = dialect.__dict__.get(_TWINS)
    if twins is None or twins[0] != generation:
        twins = (generation, _twin(dialect, scans=True), _twin(dialect, scans=False))
        dialect.__dict__[_TWINS] = twins
    return cast("Dialect", twins[2 if reviewed else 1])


def is_guarded(dialect: Dialect) -> bool:
    """Say whether ``dialect`` is a guarded twin under the registry as it is now."""
    return isinstance(dialect, _Guarded) and dialect in dialect.__dict__.get(_TWINS, ())[1:]


def _twin(dialect: Dialect, *, scans: bool) -> Dialect:
    if dialect.name not in SUPPORTED_DIALECTS:
        raise ConfigurationError(
            f"the dialect {dialect.name!r} has not been tested for ways around the guard; "
            f"supported are {', '.join(sorted(SUPPORTED_DIALECTS))}"
        )
    if "statement_compiler" in dialect.__dict__:
        raise ConfigurationError(
            "this engine's dialect object was given a statement_compiler of its own, which "
            "would be used in place of the guard: make it an attribute of a dialect class"
        )
    kind = _class_for(type(dialect), scans=scans)
    twin = kind.__new__(kind)
    twin.__dict__ = dialect.__dict__
    _prove(twin)
    return twin


def _prove(twin: Dialect) -> None:
    """Compile a few statements and see that the tenant is in them.

    Raises:
        ConfigurationError: it is not; SQLAlchemy, or something that changes its
            compiler, does not do what the guard expects of it.
    """
    rule = registry.any_own_column()
    if rule is None:
        return
    table, column = rule.table, rule.table.c[rule.key]
    other = next((each for each in table.c if each is not column), None)
    statements: list[Any] = [select(column), delete(table)]
    if other is not None:
        statements.append(update(table).values({other: other}))
    for statement in statements:
        compiled = statement.compile(dialect=twin)
        if not isinstance(compiled, SQLCompiler) or not any(map(role_of, compiled.bind_names)):
            raise ConfigurationError(
                f"the guard has no effect on {statement.__visit_name__} with this version of "
                f"SQLAlchemy and the dialect {twin.name!r}; nothing is executed"
            )
