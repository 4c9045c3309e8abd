"""For each dialect a twin that compiles under the guard."""

from __future__ import annotations

from typing import Any, ClassVar, Final, cast

from sqlalchemy import delete, select, update
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from .binds import role_of
from .cascades import refuse_cascade_in_text
from .compiler import GuardedCompiler
from .errors import ConfigurationError, UnguardedStatementError
from .named import unmarked_names, without_literals
from .raw import CHANGES_TENANT, REACHES_UNNAMED, SCHEMA_ONLY, UNNAMED
from .references import check_references
from .registry import registry

__all__ = ["TWINS", "before_sending", "guarded_dialect", "is_guarded"]

SUPPORTED_DIALECTS: Final = frozenset({"sqlite", "postgresql", "mysql", "mariadb"})
"""The dialects on which every access path is tested. On another one a path could be
open without anybody knowing, so that one is refused."""


class _Guarded:
    """Mixed in before a dialect's own class; tells a twin from the plain dialect."""

    _tenantshield_scans: ClassVar[bool] = True


def before_sending(dialect: Dialect, statement: str, context: Any) -> None:
    """Look through what is about to be sent, before any listener has it.

    Args:
        dialect: with which the statement was rendered.
        statement: the text; its parameters are in ``context``.
        context: SQLAlchemy's context of the execution.

    Raises:
        CrossTenantAccessError: a foreign key points at a row that this tenant does not have.
        UnguardedStatementError: driver SQL that cannot be confined to the tenant.
    """
    compiled = None if context is None else context.compiled
    if compiled is None:
        if isinstance(dialect, _Guarded) and dialect._tenantshield_scans:
            _check_driver_sql(statement, cast("Dialect", dialect))
    elif context is not None and getattr(compiled, "tenantshield_references", None):
        check_references(
            context.root_connection,
            compiled.tenantshield_references,
            context.compiled_parameters,
        )


def _check_driver_sql(statement: str, dialect: Dialect) -> None:
    if SCHEMA_ONLY.match(statement):
        return
    named = unmarked_names(statement, registry.names(), dialect)
    if named:
        raise UnguardedStatementError(
            f"driver SQL names {', '.join(sorted(named))}, which holds tenants' rows, and "
            "cannot be confined to the tenant: write it with SQLAlchemy's constructs, or, if "
            "it was reviewed, pass execution_options={'tenantshield_reviewed': True}"
        )
    bare = without_literals(statement)
    if REACHES_UNNAMED.search(bare):
        raise UnguardedStatementError(
            f"driver SQL {UNNAMED}, and that cannot be confined to the tenant; if it was "
            "reviewed, pass execution_options={'tenantshield_reviewed': True}"
        )
    if CHANGES_TENANT.search(bare):
        raise UnguardedStatementError(
            "driver SQL changes the role or a setting by which the database knows the tenant: "
            'enter tenant_scope(...) or system_scope("why") instead, or, if it was reviewed, pass '
            "execution_options={'tenantshield_reviewed': True}"
        )
    refuse_cascade_in_text(statement, dialect)


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
            "_tenantshield_scans": scans,
            "supports_statement_cache": kind.__dict__.get("supports_statement_cache", False),
        }
        made = type(f"Guarded{kind.__name__}", (_Guarded, kind), namespace)
        _classes[kind, scans] = cast("type[Dialect]", made)
    return _classes[kind, scans]


TWINS: Final = "_tenantshield_twins"
"""The key in a plain dialect's ``__dict__`` for a tuple: the registry's generation, the
twin that looks raw SQL through, the twin that leaves it alone."""


def guarded_dialect(dialect: Dialect, *, reviewed: bool = False) -> Dialect:
    """Return the twin of ``dialect`` that compiles under the guard.

    The twin shares the state of ``dialect``, whatever happens to that later, and has
    another class. SQLAlchemy's caches of compiled statements have the dialect in their
    key, so a twin is made anew when the registry has changed.

    Args:
        dialect: an engine's dialect.
        reviewed: leave raw SQL alone; everything else is confined all the same.

    Raises:
        ConfigurationError: the access paths of this dialect were never tested, or a
            table is not declared where every table must be.
    """
    generation = registry.generation
    if "statement_compiler" in dialect.__dict__:
        raise ConfigurationError(
            "this engine's dialect object was given a statement_compiler of its own, which "
            "would be used in place of the guard: make it an attribute of a dialect class"
        )
    twins = dialect.__dict__.get(TWINS)
    if twins is None or twins[0] != generation:
        registry.check_required()
        twins = (generation, _twin(dialect, scans=True), _twin(dialect, scans=False))
        dialect.__dict__[TWINS] = twins
    return cast("Dialect", twins[2 if reviewed else 1])


def is_guarded(dialect: Dialect) -> bool:
    """Say whether ``dialect`` is a guarded twin.

    Be it an earlier one: another thread may have made the twins anew since this one was
    chosen for a statement.
    """
    return isinstance(dialect, _Guarded)


def _twin(dialect: Dialect, *, scans: bool) -> Dialect:
    if dialect.name not in SUPPORTED_DIALECTS:
        raise ConfigurationError(
            f"the dialect {dialect.name!r} has not been tested for ways around the guard; "
            f"supported are {', '.join(sorted(SUPPORTED_DIALECTS))}"
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
        if not _has_effect(statement, twin):
            raise ConfigurationError(
                f"the guard has no effect on {statement.__visit_name__} with this version of "
                f"SQLAlchemy and the dialect {twin.name!r}; nothing is executed"
            )


def _has_effect(statement: Any, twin: Dialect) -> bool:
    try:
        compiled = statement.compile(dialect=twin)
    except UnguardedStatementError:
        return False
    return isinstance(compiled, SQLCompiler) and any(map(role_of, compiled.bind_names))
