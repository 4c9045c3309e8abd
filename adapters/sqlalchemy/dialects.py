"""For each dialect a twin that compiles under the guard."""

from __future__ import annotations

from functools import cache
from typing import Final, cast

from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from .compiler import GuardedCompiler
from .errors import ConfigurationError
from .registry import registry

__all__ = ["guarded_dialect", "is_guarded"]

SUPPORTED_DIALECTS: Final = frozenset({"sqlite", "postgresql", "mysql", "mariadb"})
"""The dialects on which every access path is tested. On another one a path could be
open without anybody knowing, so that one is refused."""


@cache
def _compiler_class(kind: type[SQLCompiler], scans: bool) -> type[SQLCompiler]:
    namespace = {"_tenantshield_scans": scans}
    return cast(
        "type[SQLCompiler]", type(f"Guarded{kind.__name__}", (GuardedCompiler, kind), namespace)
    )


class _Guarded:
    """Marks the dialect classes made here."""


@cache
def _dialect_class(kind: type[Dialect], scans: bool) -> type[Dialect]:
    compiler = _compiler_class(cast("type[SQLCompiler]", kind.statement_compiler), scans)
    # SQLAlchemy wants each dialect class to say for itself that its statements may be
    # cached; the guard changes nothing about that, since no tenant is compiled in.
    caches = kind.__dict__.get("supports_statement_cache", False)
    namespace = {"statement_compiler": compiler, "supports_statement_cache": caches}
    return cast("type[Dialect]", type(f"Guarded{kind.__name__}", (_Guarded, kind), namespace))


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
    kind = _dialect_class(type(dialect), scans)
    twin = kind.__new__(kind)
    twin.__dict__ = dialect.__dict__
    return twin
