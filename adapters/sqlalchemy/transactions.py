"""What an engine's transactions tell the database first: the tenant, and where its rows are.

This is the part of row-level security (``rls/``) and of placements (``placements/``) that every
statement needs. Both are told in one message, whichever was set up first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from sqlalchemy import Engine
from sqlalchemy.engine import Connection, Dialect, ExecutionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import ReleaseSavepointClause, RollbackToSavepointClause

from tenantshield_mw.context import Bound, current_bound, is_same_scope

from .uses import running

__all__ = [
    "HELD",
    "IS_IDLE",
    "PLACED",
    "Place",
    "Router",
    "Setting",
    "Tenant",
    "Transactions",
    "distrust",
    "drivers_own",
    "forget",
    "hold",
    "moment_of",
    "transactions_of",
    "with_setting",
]

HELD: Final = "_tenantshield_held"
"""The attribute of a dialect with its :class:`Transactions`, and the key in a connection's
``info`` for a tuple: the binding that was sent, and what sent it."""

PLACED: Final = "_tenantshield_placed"
"""The attribute of a dialect with the :class:`Router` of its engine."""

_SETTING: Final = "_tenantshield_setting"
"""The key in a connection's ``info`` for a :class:`Setting` that is to be sent next."""

_ENDING: Final = "_tenantshield_ending"
"""The key in a connection's ``info`` for the task or thread that ends a transaction in two phases.
"""

_UNTOLD: Final = (ReleaseSavepointClause, RollbackToSavepointClause)
"""Statements that reach no rows, and may be sent in another scope than the one before. If the
transaction has failed, the database takes nothing else."""

IS_IDLE: Final[Mapping[str, Callable[[Any], bool]]] = {
    "psycopg": lambda own: not own.pgconn.transaction_status,
    "psycopg_async": lambda own: not own.pgconn.transaction_status,
    "psycopg2": lambda own: not own.get_transaction_status(),
    # private: checked with the rest of this driver's names, see rls/drivers.py.
    "pg8000": lambda own: not own._in_transaction,
    "asyncpg": lambda own: not own.is_in_transaction(),
}
"""Whether a driver's own connection is in no transaction, without asking the database, by driver.
The status of libpq is 0 then."""

_FORGOTTEN: Final = "_tenantshield_forgotten"
setattr(Connection, _FORGOTTEN, 0)


@dataclass(frozen=True, slots=True)
class Setting:
    """What tells the database where the rows are.

    Attributes:
        sql: expressions of a ``SELECT``, with ``%s`` for each of the values.
        values: the values.
        check: takes what the expressions returned, and raises if it is not as it should be.
    """

    sql: str
    values: tuple[str, ...]
    check: Callable[[tuple[Any, ...]], None]


class Tenant(Protocol):
    """What tells the database the tenant, in the name of policies."""

    def tell(self, dbapi_connection: Any, bound: Bound) -> None:
        """Tell the database the scope that a transaction begins in."""

    def forget(self, dbapi_connection: Any) -> None:
        """Undo what the transaction was told before, since the scope has changed."""

    def on(self, dialect: Dialect) -> Tenant:
        """Return what does the same for another dialect's engine."""
        raise NotImplementedError


class Place(Protocol):
    """What tells the database where the rows are."""

    @property
    def router(self) -> Router:
        """What chooses the engine."""
        raise NotImplementedError

    def setting(self, dbapi_connection: Any, bound: Bound) -> Setting | None:
        """Return what to send for a scope.

        Raises:
            ScopeMismatchError: the rows are in another database.
        """
        raise NotImplementedError

    def send(self, dbapi_connection: Any, setting: Setting) -> None:
        """Send it alone."""


class Router(Protocol):
    """Chooses the engine by the place of the rows that are in scope."""

    def open_databases(self) -> tuple[str, ...]:
        """Return the databases that have an engine."""
        raise NotImplementedError

    def engine_for(self, engine: Engine) -> AbstractContextManager[Engine]:
        """Return the engine to connect with; it is not disposed of before the end of the block."""
        raise NotImplementedError

    def is_same(self, left: Bound, right: Bound) -> bool:
        """Return whether the rows of two scopes are in the same place."""
        raise NotImplementedError

    def is_same_database(self, left: Bound, right: Bound) -> bool:
        """Return whether the rows of two scopes are in the same database."""
        raise NotImplementedError


def transactions_of(dialect: Dialect) -> Transactions:
    """Return what is told at the beginning of the transactions of a dialect's engine."""
    found: Transactions | None = dialect.__dict__.get(HELD)
    return Transactions(dialect) if found is None else found


class Transactions:
    """The hooks that run when one engine begins a transaction.

    They wrap the dialect's methods that begin one, which are public, and which SQLAlchemy calls
    once per transaction. Its "begin" event would serve too, but with any listener on an engine,
    SQLAlchemy checks all connection events for each statement. Those that execute a statement are
    wrapped as well, since a default of a column, or a listener, may have executed another one in
    another scope in its midst.

    Attributes:
        tenant: what tells the database the tenant, if policies are enforced.
        place: what tells the database where the rows are, if they are in several places.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.tenant: Tenant | None = None
        self.place: Place | None = None
        self._dialect: Any = dialect
        self._is_idle = IS_IDLE.get(dialect.driver)
        self._hook_beginnings()
        self._hook_executions()
        self._hook_savepoints()
        self._hook_ends_of_two_phases()
        setattr(dialect, HELD, self)

    def _hook_beginnings(self) -> None:
        dialect = self._dialect
        begin, begin_twophase = dialect.do_begin, dialect.do_begin_twophase

        def do_begin(dbapi_connection: Any) -> None:
            begin(dbapi_connection)
            self._tell(dbapi_connection)

        def do_begin_twophase(connection: Connection, xid: Any) -> None:
            begin_twophase(connection, xid)
            self._tell(connection.connection)

        dialect.do_begin, dialect.do_begin_twophase = do_begin, do_begin_twophase

    def _hook_executions(self) -> None:
        dialect = self._dialect
        for name in ("do_execute", "do_executemany"):
            setattr(dialect, name, self._held(getattr(dialect, name)))
        without_parameters = dialect.do_execute_no_params

        def do_execute_no_params(cursor: Any, statement: str, context: Any = None) -> None:
            self._hold_for(context, statement)
            without_parameters(cursor, statement, context)

        dialect.do_execute_no_params = do_execute_no_params

    def _held(self, execute: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(execute)
        def held(cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
            self._hold_for(context, statement)
            execute(cursor, statement, parameters, context)

        return held

    def _hold_for(self, context: ExecutionContext | None, text: str) -> None:
        # Without it, the application calls the method itself, with a cursor of its own.
        if context is not None:
            compiled = context.compiled
            hold(context.root_connection, self, text if compiled is None else compiled.statement)

    def _hook_savepoints(self) -> None:
        dialect = self._dialect
        roll_back = dialect.do_rollback_to_savepoint

        def do_rollback_to_savepoint(connection: Connection, name: str) -> None:
            # This undoes the settings since the savepoint: before it, for what other threads send
            # meanwhile, and after it, for what listeners have sent.
            connection.info.pop(HELD, None)
            try:
                roll_back(connection, name)
            finally:
                connection.info.pop(HELD, None)

        dialect.do_rollback_to_savepoint = do_rollback_to_savepoint

    def _hook_ends_of_two_phases(self) -> None:
        for name in ("do_prepare_twophase", "do_commit_twophase", "do_rollback_twophase"):
            setattr(self._dialect, name, _untold(getattr(self._dialect, name)))

    def is_told(self, held: tuple[Bound, Tenant | None, Place | None], bound: Bound) -> bool:
        """Return whether a database that was told ``held`` need not be told ``bound``."""
        told, tenant, place = held
        if tenant is not self.tenant or place is not self.place:
            # It began before there was one.
            return False
        return told is bound or (
            is_same_scope(told, bound) and (place is None or place.router.is_same(told, bound))
        )

    def has_ended(self, connection: Connection) -> bool:
        """Return whether the application has ended the transaction by the driver's own means.

        SQLAlchemy takes it for open then.
        """
        pooled: Any = connection.connection
        return (
            self._is_idle is not None
            and not pooled.dbapi_connection.autocommit
            and self._is_idle(drivers_own(pooled))
        )

    def tell_again(self, connection: Connection) -> None:
        """Tell the database the current scope, in a transaction that began in another."""
        dbapi_connection = connection.connection
        errors: type[Exception] = self._dialect.loaded_dbapi.Error
        try:
            if self.tenant is not None:
                self.tenant.forget(dbapi_connection)
            self._tell(dbapi_connection)
        except errors as error:
            raise DBAPIError.instance(
                "SELECT pg_catalog.set_config(...)", (), error, errors, dialect=self._dialect
            ) from error

    def _tell(self, dbapi_connection: Any) -> None:
        info, bound = dbapi_connection.info, current_bound()
        # Until the database knows the scope, the connection has none.
        info.pop(HELD, None)
        # Another thread may be setting one of them.
        tenant, place = self.tenant, self.place
        setting = None if place is None else place.setting(dbapi_connection, bound)
        if tenant is None:
            if place is not None and setting is not None:
                place.send(dbapi_connection, setting)
        else:
            info[_SETTING] = setting
            try:
                tenant.tell(dbapi_connection, bound)
            finally:
                info.pop(_SETTING, None)
        info[HELD] = (bound, tenant, place)


def _untold(end: Callable[..., None]) -> Callable[..., None]:
    # It may send several statements, some of them outside of any transaction.
    @functools.wraps(end)
    def ending(connection: Connection, *args: Any, **kw: Any) -> None:
        connection.info[_ENDING] = running()
        try:
            end(connection, *args, **kw)
        finally:
            connection.info.pop(_ENDING, None)
            connection.info.pop(HELD, None)

    return ending


Send: TypeAlias = Callable[[Any, str, tuple[str, ...]], tuple[Any, ...]]
"""Executes a statement, with ``%s`` for each of the values, on a connection from SQLAlchemy's
pool, and returns its only row."""


def drivers_own(dbapi_connection: Any) -> Any:
    """Return the driver's connection; of one that was detached, the pool no longer knows it."""
    inner = dbapi_connection.dbapi_connection
    # SQLAlchemy wraps connections of async drivers.
    return getattr(inner, "driver_connection", inner)


def with_setting(send: Send) -> Send:
    """Make ``send``, which executes a ``SELECT`` and returns its only row, send a setting as well
    if there is one to be sent.
    """

    def sending(dbapi_connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
        setting: Setting | None = dbapi_connection.info.pop(_SETTING, None)
        if setting is None:
            return send(dbapi_connection, sql, values)
        # At the end, where the role of a system scope is in effect.
        row = send(dbapi_connection, f"{sql}, {setting.sql}", (*values, *setting.values))
        *told, path, state = row
        setting.check((path, state))
        return tuple(told)

    return sending


def hold(connection: Connection, transactions: Transactions, statement: object = None) -> None:
    """Make the open transaction, if any, that of the current scope.

    Args:
        connection: the connection that is about to execute a statement.
        transactions: what tells its database.
        statement: the statement, if it is known; a string if it is driver SQL.
    """
    if isinstance(statement, _UNTOLD) or not connection.in_transaction():
        return
    held = connection.info.get(HELD)
    if held is not None and transactions.has_ended(connection):
        forget(connection)
        held = None
    if held is not None and transactions.is_told(held, current_bound()):
        return
    # SQLAlchemy ends a transaction in two phases with driver SQL.
    if isinstance(statement, str) and connection.info.get(_ENDING) == running():
        return
    transactions.tell_again(connection)


def distrust(connection: Connection) -> None:
    """Take what was read and written in the open transaction for undone, since a statement failed:
    it may have undone the transaction, as a deadlock does on MariaDB.

    Args:
        connection: the connection over which the statement was sent.
    """
    setattr(connection, _FORGOTTEN, getattr(connection, _FORGOTTEN) + 1)


def forget(connection: Connection) -> None:
    """Forget what is known of the open transaction, since SQL text may have ended it or undone a
    part of it.

    Args:
        connection: the connection over which the text was sent.
    """
    distrust(connection)
    if not connection.closed and not connection.invalidated:
        connection.info.pop(HELD, None)


def moment_of(connection: Connection) -> tuple[object, ...]:
    """Return what stays equal as long as no part of the connection's transaction is undone.

    Args:
        connection: a connection, whose transactions may be the application's or a session's.
    """
    innermost = connection.get_nested_transaction() or connection.get_transaction()
    return connection, innermost, getattr(connection, _FORGOTTEN)
