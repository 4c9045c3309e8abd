"""How a statement comes under the guard: the listeners and hooks, set once.

They are set on SQLAlchemy's classes when the adapter is imported, and so hold for every
engine and session of the process, sync and async. The functions here decide with which
dialect a statement is rendered; ``internals.py`` calls them.
"""

from __future__ import annotations

from typing import Any, Final, cast

from sqlalchemy import Column, ForeignKeyConstraint, MetaData, Table, event
from sqlalchemy.engine import Compiled, Connection, Dialect
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.ddl import ExecutableDDLElement

from tenantshield_mw.context import SystemContext, current_binding
from tenantshield_mw.tenant import TenantContext

from . import ddl
from .declare import mapper_constructed
from .dialects import TWINS, before_sending, guarded_dialect, is_guarded
from .errors import MissingTenantContextError, UnguardedStatementError
from .held import HELD, check_held
from .internals import HOOKS, check_internals, hook_connections, hook_executions, hook_sessions
from .keys import add_wanted_unique_constraints
from .registry import registry
from .sessions import listen

__all__ = ["REVIEWED", "install"]

REVIEWED: Final = "tenantshield_reviewed"
"""The execution option of a statement whose raw SQL somebody has looked at. It counts on
the statement, or where that is executed; on a connection or an engine, where it would
let every raw statement through, it does not."""


def install() -> None:
    """Set the listeners and hooks; a second call does nothing.

    Raises:
        ConfigurationError: this version of SQLAlchemy is not supported.
    """
    if HOOKS:
        return
    check_internals()
    event.listen(Table, "after_parent_attach", after_parent_attach)
    event.listen(Column, "after_parent_attach", part_attached)
    event.listen(ForeignKeyConstraint, "after_parent_attach", part_attached)
    event.listen(Mapper, "after_mapper_constructed", mapper_constructed)
    event.listen(Mapper, "before_configured", registry.check_required)
    listen()
    hook_sessions()
    hook_connections(dialect_for, dialect_for_ddl, compiled_again)
    hook_executions(before_sending)


def dialect_for(connection: Connection, options: Any, own_options: Any = None) -> Dialect:
    """Return the guarded dialect, or the plain one in a system scope.

    Args:
        connection: on which a statement is about to be executed.
        options: the execution options given with the call.
        own_options: those of the statement itself.

    Raises:
        MissingTenantContextError: a reviewed statement, and no tenant is in scope.
        ScopeMismatchError: the transaction belongs to another scope.
    """
    plain = connection.engine.dialect
    binding = current_binding()
    # Every statement passes here: the usual case first, in one frame, which comes to the
    # same as what follows it.
    known = plain.__dict__
    twins = known.get(TWINS)
    if (
        twins is not None
        and twins[0] == registry.generation
        and binding is not None
        and type(binding[0]) is TenantContext
        and REVIEWED not in options
        and not (own_options and REVIEWED in own_options)
        and HELD not in known
        and "statement_compiler" not in known
    ):
        return cast("Dialect", twins[1])
    if HELD in known:
        check_held(connection)
    if registry.is_empty or (binding is not None and type(binding[0]) is SystemContext):
        return plain
    if REVIEWED in options or (own_options and REVIEWED in own_options):
        reviewed = options.get(REVIEWED) or (own_options and own_options.get(REVIEWED))
        if reviewed and (binding is None or binding[0] is None):
            raise MissingTenantContextError(
                f"a statement is marked {REVIEWED} and no tenant is in scope; wrap the code in "
                'tenant_scope(...) or system_scope("why")'
            )
        return guarded_dialect(plain, reviewed=bool(reviewed))
    return guarded_dialect(plain)


def dialect_for_ddl(connection: Connection, element: ExecutableDDLElement, options: Any) -> Dialect:
    """Return the dialect with which to render ``element``.

    Raises:
        UnguardedStatementError: it would touch tenants' rows.
    """
    plain = connection.engine.dialect
    dialect = dialect_for(connection, options, element.get_execution_options())
    if dialect is plain or dialect is guarded_dialect(plain, reviewed=True):
        return plain
    return ddl.dialect_for(element, plain, dialect)


def compiled_again(compiled: Compiled, dialect: Dialect) -> Compiled:
    """Return a statement that was compiled beforehand, compiled with ``dialect``.

    Raises:
        UnguardedStatementError: it cannot be.
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


def after_parent_attach(table: Table, parent: MetaData) -> None:
    """Tell the registry of a table that was defined after the declarations."""
    registry.table_added(parent)
    add_wanted_unique_constraints(table)


def part_attached(part: Column[Any] | ForeignKeyConstraint, table: Table) -> None:
    """Tell the registry of a column or a foreign key that a table was given.

    A table can be given one, or one that replaces another, long after the rules were
    derived from what it had. A table that is only being made tells of itself besides.
    """
    registry.table_added(table.metadata)
