"""Tells the database the tenant at the start of each transaction.

If the scope changes within a transaction, the next statement is preceded by the new settings.
They last until the end of the transaction, so a connection that returns to a pool,
SQLAlchemy's or PgBouncer's, carries none of them along. Each transaction sets all of them,
so a value that was left behind in the session has no effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import Engine
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError

from tenantshield_mw.context import Bound, SystemContext, current_binding
from tenantshield_mw.tenant import TenantContext

from ..errors import ConfigurationError
from ..transactions import HELD
from .drivers import SENDERS, check_driver
from .policies import SETTINGS

if TYPE_CHECKING:
    # SQLAlchemy 2.1 requires greenlet for this import, and sync programs may not have it.
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["SET_LOCAL", "enforce"]

SET_LOCAL: Final = "tenantshield_set_local"
"""The function that sets the tenant on Citus, which hands the statement ``SET LOCAL`` on to the
nodes, and not what ``set_config()`` does. ``citus_policy_statements()`` creates it."""

_PROVEN: Final = "_tenantshield_rls_proven"

_KINDS: Final = tuple(SETTINGS)
_KIND_OF: Final[dict[type, str]] = {str: "text", int: "integer"}

_SET: Final = "SELECT " + ", ".join(
    f"set_config('{SETTINGS[kind]}', %s, {{is_local}})" for kind in _KINDS
)
_SET_LOCALLY: Final = _SET.format(is_local="true")
_CLEAR_SESSION: Final = _SET.format(is_local="false")
_SET_ON_CITUS: Final = f"SELECT {SET_LOCAL}({', '.join(['%s'] * len(_KINDS))})"
_SET_ROLE: Final = f"{_SET_LOCALLY}, set_config('role', %s, true)"
# Row-level security does not apply to such roles.
_IS_EXEMPT: Final = (
    "(SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user)::text"
)
_OWN_ROLE: Final = "SELECT set_config('role', 'none', true)"
_NOTHING: Final = ("",) * len(_KINDS)


def enforce(
    engine: Engine | AsyncEngine, *, system_role: str | None = None, citus: bool = False
) -> None:
    """Make every transaction of ``engine`` tell the database its tenant.

    The database shows the rows of the tenant in scope, and none of the tenants' rows without
    one. If the scope changes within a transaction, it is told before the next statement.

    In a system scope a transaction switches to ``system_role``, and back with the scope.
    The engine's role must be a member of that role. Anyone who can inject SQL could then
    switch to it too. To prevent that, omit ``system_role`` and run system scopes on a
    separate engine that logs in as such a role and is not passed to this function.

    Args:
        engine: an engine on PostgreSQL, with psycopg (sync or async), psycopg2, pg8000 or
            asyncpg.
        system_role: the name of a role with ``BYPASSRLS``.
        citus: whether the tables are distributed by Citus, and the policies are those of
            ``citus_policy_statements()``. There is no ``system_role`` then.

    Raises:
        ConfigurationError: the database or driver is not supported, the engine was
            passed to this function before, or ``system_role`` is given for Citus.

    Its transactions raise:
        ConfigurationError: the connection's role is a superuser or has ``BYPASSRLS``, so
            that no policy applies to it; or a system scope is in force without a
            ``system_role``; or the connection is in ``AUTOCOMMIT``, where settings do not
            last beyond one statement.
    """
    dialect = (engine if isinstance(engine, Engine) else engine.sync_engine).dialect
    if dialect.name != "postgresql" or dialect.driver not in SENDERS:
        raise ConfigurationError(
            f"the policies require PostgreSQL with {', '.join(sorted(SENDERS))}, and this engine "
            f"uses {dialect.name!r} with {dialect.driver!r}"
        )
    check_driver(dialect.driver)
    if HELD in dialect.__dict__:
        raise ConfigurationError("enforce() was called for this engine before")
    if citus and system_role is not None:
        raise ConfigurationError(
            "Citus has no system_role: it connects to the nodes as the role that logged in; run "
            "system scopes on a separate engine, which logs in as a role with BYPASSRLS and is "
            "not passed to enforce()"
        )
    set_tenant = _SET_ON_CITUS if citus else _SET_LOCALLY
    _Transactions(dialect, system_role, set_tenant).hook()


class _Transactions:
    """The hooks that run when one engine begins a transaction."""

    def __init__(self, dialect: Dialect, system_role: str | None, set_tenant: str) -> None:
        self._dialect = dialect
        self._system_role = system_role
        self._set_and_name = f"{set_tenant}, current_user"
        self._set_and_prove = f"{self._set_and_name}, {_IS_EXEMPT}"
        self._send = SENDERS[dialect.driver]

    def hook(self) -> None:
        """Wrap the dialect's methods that begin a transaction.

        The methods are public, and SQLAlchemy calls them once per transaction. Its "begin"
        event would serve too, but with any listener on an engine, SQLAlchemy checks all
        connection events for each statement.
        """
        dialect: Any = self._dialect
        begin, begin_twophase = dialect.do_begin, dialect.do_begin_twophase

        def do_begin(dbapi_connection: Any) -> None:
            begin(dbapi_connection)
            self._tell(dbapi_connection)

        def do_begin_twophase(connection: Connection, xid: Any) -> None:
            begin_twophase(connection, xid)
            self._tell(connection.connection)

        roll_back = dialect.do_rollback_to_savepoint

        def do_rollback_to_savepoint(connection: Connection, name: str) -> None:
            roll_back(connection, name)
            # This has undone the settings since the savepoint.
            connection.info.pop(HELD, None)

        dialect.do_begin, dialect.do_begin_twophase = do_begin, do_begin_twophase
        dialect.do_rollback_to_savepoint = do_rollback_to_savepoint
        setattr(dialect, HELD, self)

    def tell_again(self, connection: Connection) -> None:
        """Tell the database the current scope, in a transaction that began in another."""
        dbapi_connection = connection.connection
        errors: type[Exception] = cast("Any", self._dialect.loaded_dbapi).Error
        try:
            if not dbapi_connection.autocommit:
                self._send(dbapi_connection, _OWN_ROLE, ())
            self._tell(dbapi_connection)
        except errors as error:
            raise DBAPIError.instance(_SET, (), error, errors, dialect=self._dialect) from error

    def _tell(self, dbapi_connection: Any) -> None:
        info = dbapi_connection.info
        # Until the database knows the tenant, the connection has none.
        info.pop(HELD, None)
        binding = current_binding()
        bound = None if binding is None else binding[0]
        if dbapi_connection.autocommit:
            self._tell_nothing(dbapi_connection, bound)
        elif isinstance(bound, SystemContext):
            self._take_role(dbapi_connection)
        else:
            self._take_tenant(dbapi_connection, _values(bound))
        info[HELD] = (bound,)

    def _take_tenant(self, dbapi_connection: Any, values: tuple[str, ...]) -> None:
        # The role may have changed: PgBouncer may have switched to another server connection,
        # or a SET ROLE was left behind in this one.
        proven = dbapi_connection.info.get(_PROVEN)
        if proven and self._send(dbapi_connection, self._set_and_name, values)[-1] == proven:
            return
        *_, role, is_exempt = self._send(dbapi_connection, self._set_and_prove, values)
        if is_exempt != "false":
            raise ConfigurationError(
                "row-level security does not apply to the role of this connection, which is a "
                "superuser or has BYPASSRLS: let the application log in as a role without these "
                "that does not own the tables, and leave SET ROLE to enforce()"
            )
        dbapi_connection.info[_PROVEN] = role

    def _tell_nothing(self, dbapi_connection: Any, bound: Bound) -> None:
        if bound is not None:
            raise ConfigurationError(
                "a connection in AUTOCOMMIT has no transaction that could hold the tenant: "
                "keep the default isolation level, or use a separate engine that is not passed "
                "to enforce()"
            )
        self._send(dbapi_connection, _CLEAR_SESSION, _NOTHING)

    def _take_role(self, dbapi_connection: Any) -> None:
        if self._system_role is None:
            raise ConfigurationError(
                "a system scope is in force, and this engine shows one tenant's rows at a "
                "time: name a role with BYPASSRLS, enforce(engine, system_role=...), or use a "
                "separate engine that logs in as such a role"
            )
        self._send(dbapi_connection, _SET_ROLE, (*_NOTHING, self._system_role))


def _values(bound: Bound) -> tuple[str, ...]:
    if not isinstance(bound, TenantContext):
        return _NOTHING
    kind = _KIND_OF.get(type(bound.tenant_id), "uuid")
    return tuple(str(bound.tenant_id) if each == kind else "" for each in _KINDS)
