"""Tells the database, at the start of each transaction, for which tenant it is.

The settings hold until the end of the transaction and no longer, so that a connection
that goes back to the pool, this one's or PgBouncer's, takes nothing along. Each
transaction sets all of them: one that was left behind in the session, by whatever means,
counts for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine
from sqlalchemy.engine import Connection, Dialect

from tenantshield_mw.context import Bound, SystemContext, current_binding
from tenantshield_mw.tenant import TenantContext

from ..errors import ConfigurationError
from ..execution.transactions import HELD
from .drivers import SENDERS, check_driver
from .policies import SETTINGS

if TYPE_CHECKING:
    # SQLAlchemy 2.1 wants greenlet installed for this, which sync programs do without.
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["enforce"]

_PROVEN: Final = "_tenantshield_rls_proven"

_KINDS: Final = tuple(SETTINGS)
_KIND_OF: Final[dict[type, str]] = {str: "text", int: "integer"}

_SET: Final = "SELECT " + ", ".join(
    f"set_config('{SETTINGS[kind]}', %s, {{is_local}})" for kind in _KINDS
)
_SET_LOCALLY: Final = _SET.format(is_local="true")
_CLEAR_SESSION: Final = _SET.format(is_local="false")
_SET_ROLE: Final = f"{_SET_LOCALLY}, set_config('role', %s, true)"
# Row-level security does not hold for these.
_IS_EXEMPT: Final = (
    "(SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user)::text"
)
_SET_AND_NAME: Final = f"{_SET_LOCALLY}, current_user"
_SET_AND_PROVE: Final = f"{_SET_AND_NAME}, {_IS_EXEMPT}"
_NOTHING: Final = ("",) * len(_KINDS)


def enforce(engine: Engine | AsyncEngine, *, system_role: str | None = None) -> None:
    """Have every transaction of ``engine`` tell the database for which tenant it is.

    A transaction belongs to the tenant that is in scope when it begins, to the end. With
    none in scope the database shows none of the tenants' rows.

    A transaction that begins in a system scope takes on ``system_role`` for its length.
    The role of the engine must be a member of it. Where whoever gets SQL into the
    application is to be kept from taking that role on, leave it out, and do the work of
    system scopes on an engine of its own that logs in as such a role and is not given to
    this function.

    Args:
        engine: on PostgreSQL, with psycopg (sync or async) or asyncpg.
        system_role: the name of a role with ``BYPASSRLS``.

    Raises:
        ConfigurationError: the database or the driver is another one, or this was done
            to the engine before.

    Its transactions raise:
        ConfigurationError: the role of the connection is a superuser or has ``BYPASSRLS``,
            so that no policy holds for it; or a system scope is in force and there is no
            ``system_role``; or the connection is in ``AUTOCOMMIT``, where nothing lasts
            from one statement to the next.
        ScopeMismatchError: another tenant is in scope than when the transaction began.
    """
    dialect = (engine if isinstance(engine, Engine) else engine.sync_engine).dialect
    if dialect.name != "postgresql" or dialect.driver not in SENDERS:
        raise ConfigurationError(
            f"the policies require PostgreSQL with {', '.join(sorted(SENDERS))}, and this engine "
            f"is on {dialect.name!r} with {dialect.driver!r}"
        )
    check_driver(dialect.driver)
    if HELD in dialect.__dict__:
        raise ConfigurationError("enforce() was called for this engine before")
    _Transactions(dialect, system_role).hook()


class _Transactions:
    """What one engine does when a transaction begins."""

    def __init__(self, dialect: Dialect, system_role: str | None) -> None:
        self._dialect = dialect
        self._system_role = system_role
        self._send = SENDERS[dialect.driver]

    def hook(self) -> None:
        """Put this before the dialect's own methods.

        They are public ones, called once for each transaction. SQLAlchemy's event for the
        same, begin, would do, but an engine with any listener makes SQLAlchemy go through
        all events of a connection for each statement.
        """
        dialect: Any = self._dialect
        begin, begin_twophase = dialect.do_begin, dialect.do_begin_twophase

        def do_begin(dbapi_connection: Any) -> None:
            begin(dbapi_connection)
            self._tell(dbapi_connection)

        def do_begin_twophase(connection: Connection, xid: Any) -> None:
            begin_twophase(connection, xid)
            self._tell(connection.connection)

        dialect.do_begin, dialect.do_begin_twophase = do_begin, do_begin_twophase
        setattr(dialect, HELD, self)

    def _tell(self, dbapi_connection: Any) -> None:
        info = dbapi_connection.info
        # Until the database was told, the connection holds nobody.
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
        # The role may be another than the last time: PgBouncer gives another connection to
        # the server, or SET ROLE was left behind in this one.
        proven = dbapi_connection.info.get(_PROVEN)
        if proven and self._send(dbapi_connection, _SET_AND_NAME, values)[-1] == proven:
            return
        *_, role, is_exempt = self._send(dbapi_connection, _SET_AND_PROVE, values)
        if is_exempt != "false":
            raise ConfigurationError(
                "row-level security does not hold for the role of this connection, since it is "
                "a superuser or has BYPASSRLS: let the application log in as another role "
                "that does not own the tables either, and leave SET ROLE to enforce()"
            )
        dbapi_connection.info[_PROVEN] = role

    def _tell_nothing(self, dbapi_connection: Any, bound: Bound) -> None:
        if bound is not None:
            raise ConfigurationError(
                "a connection in AUTOCOMMIT has no transaction that could hold the tenant: "
                "leave the isolation level as it is, or do this on an engine of its own that "
                "is not given to enforce()"
            )
        self._send(dbapi_connection, _CLEAR_SESSION, _NOTHING)

    def _take_role(self, dbapi_connection: Any) -> None:
        if self._system_role is None:
            raise ConfigurationError(
                "a system scope is in force, and this engine shows one tenant's rows at a "
                "time: name a role with BYPASSRLS, enforce(engine, system_role=...), or "
                "do this on an engine of its own that logs in as such a role"
            )
        self._send(dbapi_connection, _SET_ROLE, (*_NOTHING, self._system_role))


def _values(bound: Bound) -> tuple[str, ...]:
    if not isinstance(bound, TenantContext):
        return _NOTHING
    kind = _KIND_OF.get(type(bound.tenant_id), "uuid")
    return tuple(str(bound.tenant_id) if each == kind else "" for each in _KINDS)
