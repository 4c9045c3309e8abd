"""Whether SQLAlchemy's private names are what the adapter takes them for.

The guard overrides private methods of the compiler (``compiler.py``, ``marking.py``),
completes compile states (``writes.py``) and hooks into sessions where they offer no
event (here). All of it is checked when the adapter is imported, which fails if
anything is not as expected; the test suite runs on the lowest and the newest supported
version.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import Delete, Insert, Update, util
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.engine.result import ChunkedIteratorResult
from sqlalchemy.orm import InstanceState, Mapper, Session, SessionTransaction, loading, strategies
from sqlalchemy.sql import crud
from sqlalchemy.sql.base import HasCompileState
from sqlalchemy.sql.compiler import IdentifierPreparer, SQLCompiler
from sqlalchemy.sql.dml import DeleteDMLState, InsertDMLState, UpdateDMLState

from tenantshield_mw.context import current_binding

from .errors import ConfigurationError
from .flushes import begin_flush, end_flush
from .loads import note_load
from .sessions import same_scope, serve, serve_lookup, serve_merge, serve_object

__all__ = ["HOOKS", "check_internals", "hook_connections", "hook_executions", "hook_sessions"]

# private: the strategy classes got an underscore in 2.1.
_LAZY_LOADER: Final[Any] = getattr(
    strategies, "_LazyLoader", getattr(strategies, "LazyLoader", None)
)

_EXPECTED: Final[tuple[tuple[Any, str, str], ...]] = (
    (SQLCompiler, "process", "self obj"),
    (SQLCompiler, "visit_select", "self select_stmt"),
    (SQLCompiler, "visit_insert", "self insert_stmt"),
    (SQLCompiler, "visit_update", "self update_stmt"),
    (SQLCompiler, "visit_delete", "self delete_stmt"),
    (SQLCompiler, "visit_join", "self join"),
    (SQLCompiler, "visit_table", "self table asfrom"),
    (SQLCompiler, "visit_alias", "self alias asfrom"),
    (SQLCompiler, "visit_column", "self column"),
    (SQLCompiler, "visit_textclause", "self textclause"),
    (SQLCompiler, "visit_custom_op_binary", "self element operator"),
    (SQLCompiler, "visit_custom_op_unary_operator", "self element operator"),
    (SQLCompiler, "visit_custom_op_unary_modifier", "self element operator"),
    (SQLCompiler, "render_literal_bindparam", "self bindparam"),
    (SQLCompiler, "_setup_select_stack", "self select compile_state"),
    (SQLCompiler, "_compose_select_body", "self text select"),
    (SQLCompiler, "_truncated_identifier", "self ident_class name"),
    (IdentifierPreparer, "quote", "self ident"),
    (IdentifierPreparer, "quote_identifier", "self value"),
    (crud, "_get_crud_params", "compiler stmt compile_state"),
    (Connection, "_execute_clauseelement", "self elem distilled_parameters execution_options"),
    (Connection, "_execute_ddl", "self ddl distilled_parameters execution_options"),
    (Connection, "_execute_default", "self default distilled_parameters execution_options"),
    (Connection, "exec_driver_sql", "self statement parameters execution_options"),
    (Connection, "_exec_single_context", "self dialect context statement parameters"),
    (Connection, "_exec_insertmany_context", "self dialect context"),
    (Connection, "_cursor_execute", "self cursor statement parameters context"),
    (Connection, "_handle_dbapi_exception", "self e statement parameters cursor context"),
    (SessionTransaction, "_connection_for_bind", "self bind execution_options"),
    (Session, "_identity_lookup", "self mapper primary_key_identity"),
    (Session, "_flush", "self objects"),
    (Session, "_merge", "self state state_dict"),
    (Session, "_bulk_save_mappings", "self mapper mappings"),
    (_LAZY_LOADER, "_load_for_state", "self state passive"),
    (loading, "instances", "cursor context"),
    (ChunkedIteratorResult, "__init__", "self cursor_metadata chunks"),
)
"""Private methods, and public ones whose use by SQLAlchemy itself is relied on, with
the parameters they must begin with."""


def check_internals() -> None:
    """Make sure that SQLAlchemy's internals are those that the guard relies on.

    Raises:
        ConfigurationError: they are not; the guard could have no effect.
    """
    wrong = [
        f"{owner.__name__}.{name}"
        for owner, name, expected in _EXPECTED
        if not _begins_with(getattr(owner, name, None), expected.split())
    ]
    processors = inspect.getattr_static(SQLCompiler, "_bind_processors")
    if not isinstance(processors, util.memoized_property):
        wrong.append("SQLCompiler._bind_processors")
    wrong += [
        statement.__qualname__
        for statement in (Insert, Update, Delete)
        if not issubclass(statement, HasCompileState)
    ]
    wrong += [
        state.__qualname__
        for state in (InsertDMLState, UpdateDMLState, DeleteDMLState)
        if not hasattr(state, "_dict_parameters") or not hasattr(state, "_no_parameters")
    ]
    if wrong:
        raise ConfigurationError(
            "this version of SQLAlchemy is not supported, since the guard could have no effect: "
            f"{', '.join(wrong)} changed; install sqlalchemy>=2.0.36,<2.2"
        )


def _begins_with(function: Any, expected: Sequence[str]) -> bool:
    if function is None:
        return False
    return list(inspect.signature(function).parameters)[: len(expected)] == list(expected)


def hook_connections(
    dialect_for: Callable[..., Dialect],
    dialect_for_ddl: Callable[..., Dialect],
    compiled_again: Callable[[Any, Dialect], Any],
) -> None:
    """Have every connection render what it executes with the dialect it is told.

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
        _hook(Connection, function)
    if compiled_ is not None:
        _hook(Connection, functools.wraps(compiled_)(guarded_compiled))


def hook_executions(before_sending: Callable[[Dialect, str, Any], None]) -> None:
    """Have every connection call ``before_sending`` before a cursor is given anything.

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

    _hook(Connection, checked_single)
    _hook(Connection, checked_many)
    _hook(Connection, checked_cursor_execute)


def hook_sessions() -> None:
    """Have every session ask :func:`serve` before it answers."""
    connection_for_bind = SessionTransaction._connection_for_bind
    identity_lookup = Session._identity_lookup
    flush = Session._flush
    merge = Session._merge
    bulk = Session._bulk_save_mappings
    load_lazily = _LAZY_LOADER._load_for_state
    instances: Callable[[Any, Any], Any] = loading.instances

    # private: every statement, flush and bulk operation of a session gets its
    # connection here. The public event for it, do_orm_execute, misses bulk operations
    # and makes each query work out its options twice.
    @functools.wraps(connection_for_bind)
    def serving_connection(
        self: SessionTransaction, bind: Any, execution_options: Any
    ) -> Connection:
        session: Any = self.session
        binding = current_binding()
        if binding is not None and binding[0] is not session._tenantshield_serves:
            serve(session)
        return connection_for_bind(self, bind, execution_options)

    # private: get() and many-to-one loading look here, and send no SQL on a hit.
    @functools.wraps(identity_lookup)
    def serving_lookup(self: Session, mapper: Mapper[Any], *args: Any, **kw: Any) -> Any:
        serve_lookup(self, mapper)
        return identity_lookup(self, mapper, *args, **kw)

    # private: a flush that has something to do. The public event, before_flush, makes each
    # flush work out twice what there is to do. Before it begins a transaction, which an
    # error in it would roll back together with what is pending in the session.
    @functools.wraps(flush)
    def serving_flush(self: Any, *args: Any, **kw: Any) -> Any:
        binding = current_binding()
        if binding is not None and binding[0] is not self._tenantshield_serves:
            serve(self)
        begin_flush(self)
        try:
            return flush(self, *args, **kw)
        finally:
            if self._tenantshield_flush is not None:
                end_flush(self)

    # private: merge() takes what it finds in the identity map.
    @functools.wraps(merge)
    def serving_merge(self: Session, state: InstanceState[Any], *args: Any, **kw: Any) -> Any:
        serve_merge(self, state, load=kw.get("load", True))
        return merge(self, state, *args, **kw)

    # private: the bulk operations, before they begin a transaction, which an error in it
    # would roll back together with what is pending in the session.
    @functools.wraps(bulk)
    def serving_bulk(self: Session, *args: Any, **kw: Any) -> Any:
        serve(self)
        return bulk(self, *args, **kw)

    # private: a relationship that is loaded when it is asked for.
    @functools.wraps(load_lazily)
    def serving_lazy_load(self: Any, state: InstanceState[Any], *args: Any, **kw: Any) -> Any:
        serve_object(state)
        return load_lazily(self, state, *args, **kw)

    # private: turns a cursor's rows into objects, a chunk at a time, as they are read.
    @functools.wraps(instances)
    def serving_instances(cursor: Any, context: Any) -> Any:
        result: Any = instances(cursor, context)
        note_load(cursor, context)
        check, chunks = same_scope(), result.chunks
        result.chunks = functools.partial(_checked, chunks, check)
        if result._yield_per:
            result.iterator = chain.from_iterable(_checked(chunks, check, result._yield_per))
        else:
            # Not made anew, for it costs more to throw a generator away than to make one.
            result.iterator = chain(iter(check, None), result.iterator)
        return result

    _hook(_LAZY_LOADER, serving_lazy_load)
    _hook(loading, serving_instances)
    _hook(SessionTransaction, serving_connection)
    _hook(Session, serving_lookup)
    _hook(Session, serving_flush)
    _hook(Session, serving_merge)
    _hook(Session, serving_bulk)


def _checked(
    chunks: Callable[[int | None], Iterator[Any]], check: Callable[[], None], size: int | None
) -> Iterator[Any]:
    """Return ``chunks(size)`` with a ``check`` before each chunk is made."""
    if size:
        return _each_checked(chunks(size), check)
    # All rows come in one chunk. An iterator that calls the check and is at its end then
    # stands before it, which takes no generator of ours.
    return chain(iter(check, None), chunks(size))


def _each_checked(chunks: Iterator[Any], check: Callable[[], None]) -> Iterator[Any]:
    while True:
        check()
        for chunk in chunks:
            yield chunk
            break
        else:
            return


HOOKS: Final[list[tuple[Any, Callable[..., Any]]]] = []
"""The classes and modules that were hooked into, and the functions that took a method's place; the
method itself is the function's ``__wrapped__``."""


def _hook(owner: Any, function: Callable[..., Any]) -> None:
    setattr(owner, function.__name__, function)
    HOOKS.append((owner, function))
