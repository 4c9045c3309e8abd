"""Every connection renders with the guarded dialect, and checks what it is about to send."""

from __future__ import annotations

import functools
from typing import Any

from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.sql import crud

from ..compiler.compiler import GuardedCompiler
from ..internals import hook
from ..raw_sql import checks
from .dialects import compiled_again, dialect_for, dialect_for_ddl, reads_raw_sql
from .lookups import check_references

__all__ = ["hook_connections", "hook_executions", "hook_writes"]


def hook_connections() -> None:
    """Have every connection render what it executes with the dialect that is right for it.

    The public event for it, before_execute, will do as well, but a class that has any
    listener makes SQLAlchemy go through all events of a connection for each statement,
    which costs more than the guard itself.
    """
    clauseelement = Connection._execute_clauseelement
    # Not there in 2.1, where a compiled statement cannot be executed any more.
    compiled_: Any = getattr(Connection, "_execute_compiled", None)
    ddl = Connection._execute_ddl
    default = Connection._execute_default
    driver_sql = Connection.exec_driver_sql

    # private: Connection reads its dialect after this, renders with it, and has it in
    # the key of its cache. It is put back, so that nothing depends on what ran before.
    @functools.wraps(clauseelement)
    def guarded_clauseelement(
        self: Connection, elem: Any, distilled_parameters: Any, execution_options: Any
    ) -> Any:
        before = self.dialect
        self.dialect = dialect_for(self, execution_options, elem._execution_options)
        try:
            return clauseelement(self, elem, distilled_parameters, execution_options)
        finally:
            self.dialect = before

    # private: a statement that was compiled beforehand.
    def guarded_compiled(
        self: Connection, compiled: Any, distilled_parameters: Any, execution_options: Any
    ) -> Any:
        before = self.dialect
        self.dialect = dialect_for(self, execution_options, compiled.execution_options)
        try:
            compiled = compiled_again(compiled, self.dialect)
            return compiled_(self, compiled, distilled_parameters, execution_options)
        finally:
            self.dialect = before

    # private: CREATE, DROP and the like.
    @functools.wraps(ddl)
    def guarded_ddl(
        self: Connection, ddl_element: Any, distilled_parameters: Any, execution_options: Any
    ) -> Any:
        before = self.dialect
        self.dialect = dialect_for_ddl(self, ddl_element, execution_options)
        try:
            return ddl(self, ddl_element, distilled_parameters, execution_options)
        finally:
            self.dialect = before

    # private: a sequence or another default that is executed by itself.
    @functools.wraps(default)
    def guarded_default(
        self: Connection, default_: Any, distilled_parameters: Any, execution_options: Any
    ) -> Any:
        before = self.dialect
        self.dialect = dialect_for(self, execution_options)
        try:
            return default(self, default_, distilled_parameters, execution_options)
        finally:
            self.dialect = before

    # The text is looked through when it is about to be sent, see hook_executions().
    @functools.wraps(driver_sql)
    def guarded_driver_sql(
        self: Connection, statement: str, parameters: Any = None, execution_options: Any = None
    ) -> Any:
        before = self.dialect
        self.dialect = dialect_for(self, execution_options or {})
        try:
            return driver_sql(self, statement, parameters, execution_options)
        finally:
            self.dialect = before

    for function in (guarded_clauseelement, guarded_ddl, guarded_default, guarded_driver_sql):
        hook(Connection, function)
    if compiled_ is not None:
        hook(Connection, functools.wraps(compiled_)(guarded_compiled))


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
        if reads_raw_sql(dialect):
            checks.check(checks.RawText(statement, checks.Source.DRIVER_SQL, dialect))
    elif context is not None and getattr(compiled, "tenantshield_references", None):
        check_references(
            context.root_connection,
            compiled.tenantshield_references,
            context.compiled_parameters,
        )


def hook_writes() -> None:
    """Have every guarded compiler look at what an INSERT or UPDATE writes, once it is text."""
    get = crud._get_crud_params

    # private: renders the columns and values of an INSERT and the SET of an UPDATE.
    @functools.wraps(get)
    def checked_crud_params(
        compiler: Any, stmt: Any, compile_state: Any, toplevel: bool, **kw: Any
    ) -> Any:
        found = get(compiler, stmt, compile_state, toplevel, **kw)
        if isinstance(compiler, GuardedCompiler) and not compile_state.isdelete:
            operation = "INSERT" if compile_state.isinsert else "UPDATE"
            compiler.tenantshield_rendered(compile_state, found.single_params, operation)
        return found

    hook(crud, checked_crud_params)


def hook_executions() -> None:
    """Have every connection check what it sends before a cursor is given anything.

    The listeners of do_execute, which may execute a statement themselves and so keep the
    dialect's methods from being called, all come later than this.
    """
    single = Connection._exec_single_context
    many = Connection._exec_insertmany_context
    cursor_execute = Connection._cursor_execute

    def check(connection: Any, dialect: Dialect, statement: str, cursor: Any, context: Any) -> None:
        try:
            before_sending(dialect, statement, context)
        except BaseException as error:  # noqa: BLE001  # as SQLAlchemy does; it raises.
            connection._handle_dbapi_exception(error, statement, None, cursor, context)

    # private: every statement but those below.
    @functools.wraps(single)
    def checked_single(
        self: Connection, dialect: Dialect, context: Any, statement: Any, parameters: Any
    ) -> Any:
        compiled = context.compiled
        if compiled is None or getattr(compiled, "tenantshield_references", None):
            check(self, dialect, context.statement, context.cursor, context)
        return single(self, dialect, context, statement, parameters)

    # private: an INSERT of many rows, in batches; once for all of them.
    @functools.wraps(many)
    def checked_many(self: Connection, dialect: Dialect, context: Any) -> Any:
        check(self, dialect, context.statement, context.cursor, context)
        return many(self, dialect, context)

    # private: a default that is executed by itself, or beforehand for an INSERT. That one's
    # own parameters are not complete then.
    @functools.wraps(cursor_execute)
    def checked_cursor_execute(
        self: Connection, cursor: Any, statement: str, parameters: Any, context: Any = None
    ) -> None:
        if context is None or context.compiled is None:
            check(self, self.dialect, statement, cursor, context)
        cursor_execute(self, cursor, statement, parameters, context)

    hook(Connection, checked_single)
    hook(Connection, checked_many)
    hook(Connection, checked_cursor_execute)
