"""The listeners: how a statement that SQLAlchemy executes comes under the guard.

They are set on the classes ``Engine``, ``Mapper`` and ``Table``, once, when the adapter
is imported, and so hold for every engine and session of the process, sync and async.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, MetaData, Table, event
from sqlalchemy.engine import Compiled, Connection
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.ddl import ExecutableDDLElement

from tenantshield_mw.context import SystemContext, current_binding

from . import ddl
from .declare import check_required, mapper_constructed
from .dialects import guarded_dialect, is_guarded
from .errors import ConfigurationError, MissingTenantContextError, UnguardedStatementError
from .internals import check_internals, hook_sessions
from .keys import add_wanted_unique_constraints
from .raw import SCHEMA_ONLY, unmarked_names
from .references import check_references
from .registry import registry
from .sessions import listen

__all__ = ["REVIEWED", "install"]

REVIEWED = "tenantshield_reviewed"
"""The execution option of a statement whose raw SQL somebody has looked at."""

_CHECKED = "_tenantshield_checked"


def install() -> None:
    """Set the listeners; a second call does nothing.

    Raises:
        ConfigurationError: this version of SQLAlchemy is not supported.
    """
    if event.contains(Engine, "before_execute", before_execute):
        return
    check_internals()
    event.listen(Engine, "before_execute", before_execute, retval=True)
    event.listen(Engine, "before_cursor_execute", before_cursor_execute)
    event.listen(Table, "after_parent_attach", after_parent_attach)
    event.listen(Mapper, "after_mapper_constructed", mapper_constructed)
    event.listen(Mapper, "after_configured", check_required)
    listen()
    hook_sessions()


def _in_system_scope() -> bool:
    binding = current_binding()
    return binding is not None and type(binding[0]) is SystemContext


def _is_reviewed(connection: Connection, options: Any) -> bool:
    if not options.get(REVIEWED):
        return False
    if connection.get_execution_options().get(REVIEWED):
        raise ConfigurationError(
            f"{REVIEWED}=True is set on a connection or an engine, which would let every "
            "raw statement through; set it on the one statement that was reviewed"
        )
    binding = current_binding()
    if binding is None or binding[0] is None:
        raise MissingTenantContextError(
            f"a statement marked {REVIEWED} ran with no tenant in scope; wrap the code in "
            'tenant_scope(...) or system_scope("why")'
        )
    return True


def before_execute(
    connection: Connection,
    element: Any,
    multiparams: Any,
    params: Any,
    execution_options: Any,
) -> tuple[Any, Any, Any]:
    """Give the connection the guarded dialect, or the plain one in a system scope.

    The dialect is set on every execution, so that nothing depends on what ran before.
    """
    plain = connection.engine.dialect
    if registry.is_empty() or _in_system_scope():
        connection.dialect = plain
        return element, multiparams, params
    reviewed = REVIEWED in execution_options and _is_reviewed(connection, execution_options)
    guarded = connection.dialect = guarded_dialect(plain, reviewed=reviewed)
    if isinstance(element, Compiled):
        element = _compiled_again(element, guarded)
    elif isinstance(element, ExecutableDDLElement):
        connection.dialect = ddl.dialect_for(element, plain, guarded, reviewed=reviewed)
    return element, multiparams, params


def _compiled_again(compiled: Compiled, guarded: Any) -> Compiled:
    """Return a statement that was compiled beforehand, compiled under the guard."""
    if is_guarded(compiled.dialect):
        return compiled
    if not isinstance(compiled, SQLCompiler) or compiled.statement is None:
        raise UnguardedStatementError(
            "a compiled construct that is not a statement cannot be confined to the "
            "tenant: execute the construct that it was compiled from"
        )
    return compiled.statement.compile(
        dialect=guarded,
        column_keys=compiled.column_keys,
        for_executemany=compiled.for_executemany,
    )


def before_cursor_execute(
    connection: Connection,
    cursor: Any,
    statement: str,
    parameters: Any,
    context: DefaultExecutionContext | None,
    executemany: bool,
) -> None:
    """Check foreign keys, and look through driver SQL, which no compiler has seen."""
    if context is None or registry.is_empty():
        return
    compiled = context.compiled
    if compiled is not None:
        references = getattr(compiled, "tenantshield_references", None)
        if references and _CHECKED not in context.__dict__:
            # Once for all batches of the execution.
            context.__dict__[_CHECKED] = True
            check_references(connection, references, context.compiled_parameters)
        return
    if _in_system_scope() or SCHEMA_ONLY.match(statement):
        return
    options = context.execution_options
    if REVIEWED in options and _is_reviewed(connection, options):
        return
    named = unmarked_names(statement, registry.names())
    if named:
        raise UnguardedStatementError(
            f"driver SQL names {', '.join(sorted(named))}, which holds tenants' rows, and "
            "cannot be confined to the tenant: write it with SQLAlchemy's constructs, or, if "
            f"it was reviewed, pass execution_options={{{REVIEWED!r}: True}}"
        )


def after_parent_attach(table: Table, parent: MetaData) -> None:
    """Tell the registry of a table that was defined after the declarations."""
    registry.table_added(parent)
    add_wanted_unique_constraints(table)
