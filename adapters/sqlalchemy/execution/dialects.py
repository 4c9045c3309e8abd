"""A guarded dialect for each dialect, and the choice between the two for a statement."""

from __future__ import annotations

from typing import Any, ClassVar, Final, cast

from sqlalchemy import delete, select, update
from sqlalchemy.engine import Compiled, Connection, Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.ddl import ExecutableDDLElement

from tenantshield_mw.context import SystemContext, current_binding
from tenantshield_mw.tenant import TenantContext

from ..compiler.compiler import GuardedCompiler
from ..compiler.parameters import role_of
from ..databases import database_for, learn_search_path, search_path
from ..errors import ConfigurationError, MissingTenantContextError, UnguardedStatementError
from ..ownership.registry import registry
from ..raw_sql.checks import REVIEWED
from ..raw_sql.ddl import dialect_for as ddl_dialect_for
from ..raw_sql.ddl import refuse_stand_in
from ..transactions import HELD, hold

__all__ = [
    "compiled_again",
    "dialect_for",
    "dialect_for_ddl",
    "guarded_dialect",
    "guarded_dialect_of",
    "is_guarded",
    "reads_raw_sql",
]


class _Guarded:
    """Mixed in before a dialect's class; tells a guarded dialect from a plain one."""

    _tenantshield_scans: ClassVar[bool] = True


_classes: Final[dict[tuple[type[Dialect], bool], type[Dialect]]] = {}


def _class_for(kind: type[Dialect], *, scans: bool) -> type[Dialect]:
    if (kind, scans) not in _classes:
        plain = kind.statement_compiler
        compiler = type(
            f"Guarded{plain.__name__}", (GuardedCompiler, plain), {"scans_raw_sql": scans}
        )
        # SQLAlchemy requires each dialect class to declare itself that its statements may be
        # cached. The guard does not change that, since no tenant is compiled in.
        namespace = {
            "statement_compiler": compiler,
            "_tenantshield_scans": scans,
            "supports_statement_cache": kind.__dict__.get("supports_statement_cache", False),
        }
        guarded = type(f"Guarded{kind.__name__}", (_Guarded, kind), namespace)
        _classes[kind, scans] = cast("type[Dialect]", guarded)
    return _classes[kind, scans]


GUARDED_DIALECTS: Final = "_tenantshield_guarded_dialects"
"""The key in a plain dialect's ``__dict__`` for a tuple: the registry's generation, the guarded
dialect that checks raw SQL, and the one that does not."""


def guarded_dialect(dialect: Dialect, *, reviewed: bool = False) -> Dialect:
    """Return the guarded dialect for ``dialect``.

    It shares the ``__dict__`` of ``dialect``, also when that changes later, and has another
    class. The dialect is part of the key in SQLAlchemy's caches of compiled statements, so a new
    guarded dialect is created when the registry has changed.

    Args:
        dialect: an engine's dialect.
        reviewed: do not check raw SQL; everything else is confined all the same.

    Raises:
        ConfigurationError: the guard was not tested with this database, every table must be
            declared and one is not, or the dialect has a ``statement_compiler`` of its own.
    """
    generation = registry.generation
    if "statement_compiler" in dialect.__dict__:
        raise ConfigurationError(
            "this engine's dialect object has a statement_compiler of its own, which would "
            "replace the guard: make it an attribute of a dialect class"
        )
    cached = dialect.__dict__.get(GUARDED_DIALECTS)
    if cached is None or cached[0] != generation:
        registry.check_required()
        cached = (generation, _new_guarded(dialect, scans=True), _new_guarded(dialect, scans=False))
        # They have the same methods, and this one does not refuse what the database would pass on
        # to other rows.
        _prove(cached[2])
        # Asked after the generation was read, for a declaration in between. What is kept is used
        # without asking again, and so without ever learning the search path.
        if not registry.has_namesakes or search_path(dialect) is not None:
            dialect.__dict__[GUARDED_DIALECTS] = cached
    return cast("Dialect", cached[2 if reviewed else 1])


def guarded_dialect_of(connection: Connection, *, reviewed: bool = False) -> Dialect:
    """Return the guarded dialect for a connection, which knows what names stand for there.

    Args:
        connection: the connection.
        reviewed: as for :func:`guarded_dialect`, which raises the same.
    """
    plain = connection.engine.dialect
    if registry.has_namesakes:
        learn_search_path(plain, connection.connection)
    return guarded_dialect(plain, reviewed=reviewed)


def reads_raw_sql(dialect: Dialect) -> bool:
    """Return whether ``dialect`` is a guarded one that checks raw SQL."""
    return isinstance(dialect, _Guarded) and dialect._tenantshield_scans


def is_guarded(dialect: Dialect) -> bool:
    """Return whether ``dialect`` is a guarded one.

    A guarded dialect of an earlier generation counts as well: another thread may have replaced
    it after it was chosen for a statement.
    """
    return isinstance(dialect, _Guarded)


def _new_guarded(dialect: Dialect, *, scans: bool) -> Dialect:
    database_for(dialect)
    kind = _class_for(type(dialect), scans=scans)
    guarded = kind.__new__(kind)
    guarded.__dict__ = dialect.__dict__
    return guarded


def _prove(guarded: Dialect) -> None:
    """Compile a few statements and check that they contain the tenant.

    Raises:
        ConfigurationError: one does not, since SQLAlchemy, or something that changes its
            compiler, does not behave as the guard expects.
    """
    rule = registry.any_own_column()
    if rule is None:
        return
    table, column = rule.table, rule.table.c[rule.key]
    # One that may be set alone, to any value.
    others = (each for each in table.c if not (each.foreign_keys or each.computed is not None))
    other = next((each for each in others if each is not column), column)
    statements: list[Any] = [
        select(column),
        delete(table),
        update(table).values({other: other}),
    ]
    for statement in statements:
        if not _has_effect(statement, guarded):
            raise ConfigurationError(
                f"the guard has no effect on {statement.__visit_name__} with this version of "
                f"SQLAlchemy and the dialect {guarded.name!r}; nothing is executed"
            )


def _has_effect(statement: Any, guarded: Dialect) -> bool:
    try:
        compiled = statement.compile(dialect=guarded)
    except UnguardedStatementError:
        return False
    return isinstance(compiled, SQLCompiler) and any(map(role_of, compiled.bind_names))


def dialect_for(
    connection: Connection, options: Any, own_options: Any = None, statement: object = None
) -> Dialect:
    """Return the guarded dialect, or the plain one in a system scope.

    Args:
        connection: the connection that is about to execute a statement.
        options: the execution options of the call.
        own_options: the execution options of the statement.
        statement: the statement, if it is known; a string if it is driver SQL.

    Raises:
        MissingTenantContextError: the statement is marked as reviewed, but no tenant is in
            scope.
    """
    plain = connection.engine.dialect
    binding = current_binding()
    # Every statement comes through here: this short cut for the usual case has the same result
    # as the code after it, without its calls.
    attributes = plain.__dict__
    cached = attributes.get(GUARDED_DIALECTS)
    if (
        cached is not None
        and cached[0] == registry.generation
        and binding is not None
        and type(binding[0]) is TenantContext
        and REVIEWED not in options
        and not (own_options and REVIEWED in own_options)
        and HELD not in attributes
        and "statement_compiler" not in attributes
    ):
        return cast("Dialect", cached[1])
    if HELD in attributes:
        hold(connection, attributes[HELD], statement)
    if registry.is_empty or (binding is not None and type(binding[0]) is SystemContext):
        return plain
    if REVIEWED in options or (own_options and REVIEWED in own_options):
        reviewed = options.get(REVIEWED) or (own_options and own_options.get(REVIEWED))
        if reviewed and (binding is None or binding[0] is None):
            raise MissingTenantContextError(
                f"a statement is marked {REVIEWED}, but no tenant is in scope; wrap the code in "
                'tenant_scope(...) or system_scope("why")'
            )
        return guarded_dialect_of(connection, reviewed=bool(reviewed))
    return guarded_dialect_of(connection)


def dialect_for_ddl(connection: Connection, element: ExecutableDDLElement, options: Any) -> Dialect:
    """Return the dialect that renders ``element``.

    Raises:
        UnguardedStatementError: the DDL would read or write tenants' rows.
    """
    plain = connection.engine.dialect
    dialect = dialect_for(connection, options, element.get_execution_options())
    given = {**connection.get_execution_options(), **element.get_execution_options(), **options}
    schemas = (given.get("schema_translate_map") or {}).values()
    if not reads_raw_sql(dialect):
        refuse_stand_in(element, plain, schemas)
        return plain
    return ddl_dialect_for(element, plain, dialect, schemas)


def compiled_again(compiled: Compiled, dialect: Dialect) -> Compiled:
    """Return a compiled statement, compiled again with ``dialect`` if that is a guarded one.

    Raises:
        UnguardedStatementError: it has no statement that could be compiled again.
    """
    if not is_guarded(dialect) or compiled.dialect is dialect:
        return compiled
    if not isinstance(compiled, SQLCompiler) or compiled.statement is None:
        raise UnguardedStatementError(
            "a compiled construct that is not a statement cannot be confined to the "
            "tenant: execute the construct that it was compiled from"
        )
    return compiled.statement.compile(
        dialect=dialect,
        column_keys=compiled.column_keys,
        for_executemany=compiled.for_executemany,
    )
