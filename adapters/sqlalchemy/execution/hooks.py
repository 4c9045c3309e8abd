"""Make every connection render with the guarded dialect, and check what it is about to send."""

from __future__ import annotations

import functools
from typing import Any

from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.sql import crud
from sqlalchemy.sql.compiler import IdentifierPreparer

from ..compiler.compiler import GuardedCompiler
from ..internals import hook
from ..orm.flush import flush_on
from ..raw_sql import checks
from ..raw_sql.ddl import refuse_stand_in_text
from ..raw_sql.patterns import ENDS_OR_UNDOES
from ..raw_sql.schemas import check_schemas
from ..transactions import PLACED, Router, distrust, forget
from ..uses import begin_use, end_use, use_dialect
from .dialects import compiled_again, dialect_for, dialect_for_ddl, reads_raw_sql
from .lookups import check_references

__all__ = ["hook_connections", "hook_executions", "hook_schemas", "hook_writes"]


def hook_connections() -> None:
    """Make every connection render with the guarded dialect, or the plain one in a system scope.

    The public event before_execute would do. But if a class has any listener, SQLAlchemy
    dispatches all events of a connection for each statement, which costs more than the guard.

    Each hook sets the connection's dialect, calls SQLAlchemy and restores the dialect, so that
    nothing depends on earlier statements, nor on those of other tasks and threads. This is written
    out in each, since every statement would pay for a shared context manager.
    """
    _hook_engines()
    _hook_statements()
    _hook_compiled()
    _hook_ddl()
    _hook_defaults()
    _hook_driver_sql()
    _hook_beginnings()


def _hook_engines() -> None:
    connect = Engine.connect

    @functools.wraps(connect)
    def placed_connect(self: Engine) -> Connection:
        router: Router | None = self.dialect.__dict__.get(PLACED)
        if router is None:
            return connect(self)
        with router.engine_for(self) as engine:
            return connect(engine)

    # AsyncEngine calls it too.
    hook(Engine, placed_connect)


def _hook_statements() -> None:
    execute = Connection._execute_clauseelement

    # private: Connection reads its dialect only after this, renders with it, and uses it in the
    # key of its cache.
    @functools.wraps(execute)
    def guarded_clauseelement(
        self: Connection, elem: Any, distilled_parameters: Any, execution_options: Any
    ) -> Any:
        use = begin_use(self)
        try:
            own = elem._execution_options
            use_dialect(self, use, dialect_for(self, execution_options, own, elem))
            return execute(self, elem, distilled_parameters, execution_options)
        finally:
            end_use(self, use)

    hook(Connection, guarded_clauseelement)


def _hook_compiled() -> None:
    # private: executes a statement that was compiled before. Missing in 2.1, which no longer
    # executes compiled statements.
    execute: Any = getattr(Connection, "_execute_compiled", None)
    if execute is None:
        return

    @functools.wraps(execute)
    def guarded_compiled(
        self: Connection, compiled: Any, distilled_parameters: Any, execution_options: Any
    ) -> Any:
        use = begin_use(self)
        try:
            use_dialect(self, use, dialect_for(self, execution_options, compiled.execution_options))
            compiled = compiled_again(compiled, self.dialect)
            return execute(self, compiled, distilled_parameters, execution_options)
        finally:
            end_use(self, use)

    hook(Connection, guarded_compiled)


def _hook_ddl() -> None:
    execute = Connection._execute_ddl

    # private: executes DDL, such as CREATE and DROP.
    @functools.wraps(execute)
    def guarded_ddl(
        self: Connection, ddl_element: Any, distilled_parameters: Any, execution_options: Any
    ) -> Any:
        use = begin_use(self)
        try:
            use_dialect(self, use, dialect_for_ddl(self, ddl_element, execution_options))
            return execute(self, ddl_element, distilled_parameters, execution_options)
        finally:
            end_use(self, use)

    hook(Connection, guarded_ddl)


def _hook_defaults() -> None:
    execute = Connection._execute_default

    # private: executes a sequence or another default on its own.
    @functools.wraps(execute)
    def guarded_default(
        self: Connection, default_: Any, distilled_parameters: Any, execution_options: Any
    ) -> Any:
        use = begin_use(self)
        try:
            use_dialect(self, use, dialect_for(self, execution_options))
            return execute(self, default_, distilled_parameters, execution_options)
        finally:
            end_use(self, use)

    hook(Connection, guarded_default)


def _hook_driver_sql() -> None:
    execute = Connection.exec_driver_sql

    # The text is checked when it is about to be sent, see hook_executions().
    @functools.wraps(execute)
    def guarded_driver_sql(
        self: Connection, statement: str, parameters: Any = None, execution_options: Any = None
    ) -> Any:
        use = begin_use(self)
        try:
            use_dialect(self, use, dialect_for(self, execution_options or {}, None, statement))
            return execute(self, statement, parameters, execution_options)
        finally:
            end_use(self, use)

    hook(Connection, guarded_driver_sql)


def _hook_beginnings() -> None:
    # private: begin a transaction, which tells the database the scope where it is to be told.
    for name in ("_begin_impl", "_begin_twophase_impl"):
        begin = getattr(Connection, name)

        @functools.wraps(begin)
        def used_begin(self: Connection, transaction: Any, begin: Any = begin) -> None:
            use = begin_use(self)
            try:
                begin(self, transaction)
            finally:
                end_use(self, use)

        hook(Connection, used_begin)


def before_sending(dialect: Dialect, statement: str, context: Any) -> None:
    """Check a statement that is about to be sent, before any event listener sees it.

    Args:
        dialect: the dialect that rendered the statement.
        statement: its text; the parameters are in ``context``.
        context: SQLAlchemy's context of the execution.

    Raises:
        CrossTenantAccessError: a foreign key refers to a row that this tenant does not have.
        UnguardedStatementError: the statement is driver SQL that cannot be confined to the
            tenant.
    """
    if context is None or context.compiled is None:
        if reads_raw_sql(dialect):
            checks.check(checks.RawText(statement, checks.Source.DRIVER_SQL, dialect))
        else:
            refuse_stand_in_text(statement, dialect)
        return
    compiled = context.compiled
    if context.is_text:
        refuse_stand_in_text(statement, dialect)
    if getattr(compiled, "tenantshield_skips_rows", False):
        flush = flush_on(context.root_connection)
        if flush is not None:
            flush.distrust_new()
    if getattr(compiled, "tenantshield_references", None):
        check_references(
            context.root_connection,
            compiled.tenantshield_references,
            context.compiled_parameters,
            context.execution_options,
        )


def hook_writes() -> None:
    """Make every guarded compiler check the rendered columns of an INSERT or UPDATE."""
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


def hook_schemas() -> None:
    """Check the names of schemas that are put into a compiled statement."""
    render = IdentifierPreparer._render_schema_translates

    # private: puts the names of a schema_translate_map in the places of others.
    @functools.wraps(render)
    def checked_schemas(self: IdentifierPreparer, statement: str, schema_translate_map: Any) -> str:
        check_schemas(schema_translate_map, statement, self.dialect)
        return render(self, statement, schema_translate_map)

    hook(IdentifierPreparer, checked_schemas)


def hook_executions() -> None:
    """Make every connection check what it sends, before the cursor gets it.

    This is before the listeners of do_execute, which may execute the statement themselves, so
    that the dialect's methods are not called.
    """
    single = Connection._exec_single_context
    many = Connection._exec_insertmany_context
    cursor_execute = Connection._cursor_execute

    def check(connection: Any, dialect: Dialect, statement: str, cursor: Any, context: Any) -> None:
        try:
            before_sending(dialect, statement, context)
        except BaseException as error:  # noqa: BLE001  # like SQLAlchemy; the call raises.
            connection._handle_dbapi_exception(error, statement, None, cursor, context)

    # private: sends every statement except those below.
    @functools.wraps(single)
    def checked_single(
        self: Connection, dialect: Dialect, context: Any, statement: Any, parameters: Any
    ) -> Any:
        compiled = context.compiled
        is_raw = compiled is None or context.is_text
        if is_raw or getattr(compiled, "tenantshield_is_checked", False):
            check(self, dialect, context.statement, context.cursor, context)
        if not is_raw or not ENDS_OR_UNDOES.search(context.statement):
            return single(self, dialect, context, statement, parameters)
        try:
            return single(self, dialect, context, statement, parameters)
        finally:
            forget(self)

    # private: sends an INSERT of many rows in batches; one check covers all of them.
    @functools.wraps(many)
    def checked_many(self: Connection, dialect: Dialect, context: Any) -> Any:
        check(self, dialect, context.statement, context.cursor, context)
        return many(self, dialect, context)

    # private: executes a default, on its own or before an INSERT whose parameters are not
    # complete yet.
    @functools.wraps(cursor_execute)
    def checked_cursor_execute(
        self: Connection, cursor: Any, statement: str, parameters: Any, context: Any = None
    ) -> None:
        if context is None or context.compiled is None:
            check(self, self.dialect, statement, cursor, context)
        cursor_execute(self, cursor, statement, parameters, context)

    handle = Connection._handle_dbapi_exception

    # private: every error of a statement comes through here.
    @functools.wraps(handle)
    def distrusting_handler(self: Connection, e: BaseException, *args: Any, **kw: Any) -> Any:
        distrust(self)
        return handle(self, e, *args, **kw)

    hook(Connection, checked_single)
    hook(Connection, checked_many)
    hook(Connection, distrusting_handler)
    hook(Connection, checked_cursor_execute)
