"""Tells the database the tenant at the start of each transaction.

If the scope changes within a transaction, the next statement is preceded by the new settings.
They last until the end of the transaction, so a connection that returns to a pool,
SQLAlchemy's or PgBouncer's, carries none of them along. Each transaction sets all of them,
so a value that was left behind in the session has no effect.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine
from sqlalchemy.engine import Dialect

from tenantshield_mw.context import Bound, SystemContext
from tenantshield_mw.tenant import TenantContext

from ..errors import ConfigurationError
from ..transactions import HELD, PLACED, Router, Transactions, transactions_of, with_setting
from .drivers import BINDERS, PIDS, SENDERS, check_driver
from .functions import SETTINGS, Function
from .signing import Backend, Key, Signer
from .sql import table_name
from .verifier import SIGNATURE, signed_function, system_function

if TYPE_CHECKING:
    # SQLAlchemy 2.1 requires greenlet for this import, and sync programs may not have it.
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["SET_LOCAL", "enforce"]

SET_LOCAL: Final = "tenantshield_set_local"
"""The function that sets the tenant on Citus, which hands the statement ``SET LOCAL`` on to the
nodes, and not what ``set_config()`` does. ``citus_policy_statements()`` creates it."""

_PROVEN: Final = "_tenantshield_rls_proven"
_KNOWN: Final = "_tenantshield_rls_known"
_ACCEPTED: Final = "_tenantshield_rls_accepted"

_KNOWN_FOR: Final = 60.0
"""Seconds after which the database's clock is read again."""


def _called(function: Function) -> str:
    return f"{table_name(function.schema, function.name)}()"


_KINDS: Final = tuple(SETTINGS)
_PLACES: Final[dict[type, int]] = {str: _KINDS.index("text"), int: _KINDS.index("integer")}
_PLACE_OF_UUID: Final = _KINDS.index("uuid")

_SET: Final = "SELECT " + ", ".join(
    f"pg_catalog.set_config('{SETTINGS[kind]}', %s, {{is_local}})" for kind in _KINDS
)
_SET_LOCALLY: Final = _SET.format(is_local="true")
_CLEAR_SESSION: Final = _SET.format(is_local="false")
_SET_ROLE: Final = f"{_SET_LOCALLY}, pg_catalog.set_config('role', %s, true)"
_SIGNED: Final = f"{_SET_LOCALLY}, pg_catalog.set_config('{SIGNATURE}', %s, true)"
_SIGNED_AND_NAMED: Final = f"{_SIGNED}, current_user"
_SIGNED_AND_CHECKED: Final = f"{_SIGNED}, {_called(signed_function())}::pg_catalog.text"
_SIGNED_ROLE: Final = (
    f"{_SIGNED}, pg_catalog.set_config('role', %s, true), "
    f"{_called(system_function())}::pg_catalog.text"
)
_SET_ON_CITUS: Final = f"SELECT {SET_LOCAL}({', '.join(['%s'] * len(_KINDS))})"
# Row-level security does not apply to such roles.
_IS_EXEMPT: Final = (
    "(SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user)::text"
)
_OWN_ROLE: Final = "SELECT pg_catalog.set_config('role', 'none', true)"
# What is signed. No operators, and all functions with their schema: what somebody left in the
# connection, such as a search path, must not change what the database says here.
_DESCRIBE: Final = (
    "SELECT pg_catalog.pg_backend_pid()::pg_catalog.text, "
    "pg_catalog.date_part('epoch', pg_catalog.now())::pg_catalog.text, "
    "pg_catalog.current_database()::pg_catalog.text, session_user::pg_catalog.text, "
    "pg_catalog.current_setting('role')"
)
_NOTHING: Final = ("",) * len(_KINDS)


def enforce(
    engine: Engine | AsyncEngine,
    *,
    key: Key | None = None,
    system_role: str | None = None,
    pooled: bool = False,
    citus: bool = False,
) -> None:
    """Make every transaction of ``engine`` tell the database its tenant.

    The database shows the rows of the tenant in scope, and none of the tenants' rows without
    one. If the scope changes within a transaction, it is told before the next statement.

    In a system scope a transaction switches to ``system_role``, and back with the scope.
    The engine's role must be a member of that role. Anyone who can inject SQL could then
    switch to it too. To prevent that, omit ``system_role`` and run system scopes on a
    separate engine that logs in as such a role and is not passed to this function.

    With ``key``, each transaction's tenant is signed, and so is each system scope. Policies for
    signed tenants (``rls.configure(metadata, signed=True)``) believe nothing else, so somebody
    who can inject SQL cannot name another tenant. ``system_role`` then needs no ``BYPASSRLS``,
    and to switch to it is of no use without a signature::

        rls.enforce(engine, key=base64.b64decode(os.environ["TENANT_KEY"]))

    A signature is for one backend and for a transaction that begins within seconds. Behind
    PgBouncer in transaction mode, each transaction may have another backend: with ``pooled``, it
    is asked for first, which takes one more round trip.

    Args:
        engine: an engine on PostgreSQL, with psycopg (sync or async), psycopg2, pg8000 or
            asyncpg; with ``key``, psycopg or asyncpg.
        key: the secret, of at least 32 random bytes, that ``rls.store_keys`` stored in the
            database; or a function that returns it. The function is called for each
            transaction, so a key can be replaced while the application runs.
        system_role: the name of a role with ``BYPASSRLS``; with ``key``, the one that
            ``rls.configure`` was given.
        pooled: whether a pooler is between the engine and PostgreSQL. It matters only with
            ``key``.
        citus: whether the tables are distributed by Citus, and the policies are those of
            ``citus_policy_statements()``. There is no ``system_role`` and no ``key`` then.

    Raises:
        ConfigurationError: the database or driver is not supported, the key is too short, the
            engine was passed to this function before, or ``system_role`` or ``key`` is given
            for Citus.

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
    held: Transactions | None = dialect.__dict__.get(HELD)
    if held is not None and held.tenant is not None:
        raise ConfigurationError("enforce() was called for this engine before")
    router: Router | None = dialect.__dict__.get(PLACED)
    if router is not None and router.open_databases():
        raise ConfigurationError(
            "databases of tenants are in use whose policies would not be enforced: call enforce() "
            "before the engine with Placements is used"
        )
    if citus and (system_role is not None or key is not None):
        raise ConfigurationError(
            "Citus has no system_role and no key: it connects to the nodes as the role that logged "
            "in; run system scopes on a separate engine, which logs in as a role with BYPASSRLS "
            "and is not passed to enforce()"
        )
    if key is None:
        set_tenant = _SET_ON_CITUS if citus else _SET_LOCALLY
        transactions_of(dialect).tenant = _Policies(dialect, system_role, set_tenant)
        return
    if dialect.driver not in BINDERS:
        raise ConfigurationError(
            f"signed tenants require {', '.join(sorted(BINDERS))}, and this engine uses "
            f"{dialect.driver!r}: use one of these drivers, or leave the key out"
        )
    transactions_of(dialect).tenant = _SignedPolicies(
        dialect, system_role, Signer(key), pooled=pooled
    )


class _Policies:
    """What tells the database the tenant when one engine begins a transaction."""

    def __init__(self, dialect: Dialect, system_role: str | None, set_tenant: str) -> None:
        self._system_role = system_role
        self._set_tenant = set_tenant
        self._send = with_setting(SENDERS[dialect.driver]())

    def on(self, dialect: Dialect) -> _Policies:
        """Return what does the same for another dialect's engine."""
        return _Policies(dialect, self._system_role, self._set_tenant)

    def tell(self, dbapi_connection: Any, bound: Bound) -> None:
        """Tell the database the scope that a transaction begins in."""
        # The driver's own, since the pool's passes on what it does not have at some expense.
        if dbapi_connection.dbapi_connection.autocommit:
            self._tell_nothing(dbapi_connection, bound)
        elif isinstance(bound, SystemContext):
            self._take_role(dbapi_connection, self._required_role())
        else:
            self._take_tenant(dbapi_connection, bound)

    def forget(self, dbapi_connection: Any) -> None:
        """Return to the role that logged in, in a transaction that began earlier than now."""
        dbapi_connection.info.pop(_KNOWN, None)
        if not dbapi_connection.autocommit:
            self._send(dbapi_connection, _OWN_ROLE, ())

    def _take_tenant(self, dbapi_connection: Any, bound: TenantContext | None) -> None:
        self._send_proven(dbapi_connection, self._set_tenant, _values(bound))

    def _send_proven(
        self, dbapi_connection: Any, sql: str, values: tuple[str, ...]
    ) -> tuple[Any, ...]:
        """Execute a query, and check that policies apply to the role."""
        # The role may have changed: PgBouncer may have switched to another server connection,
        # or a SET ROLE was left behind in this one.
        sql = f"{sql}, current_user"
        if proven := dbapi_connection.info.get(_PROVEN):
            *row, role = self._send(dbapi_connection, sql, values)
            if role == proven:
                return tuple(row)
        *row, role, is_exempt = self._send(dbapi_connection, f"{sql}, {_IS_EXEMPT}", values)
        if is_exempt != "false":
            raise ConfigurationError(
                "row-level security does not apply to the role of this connection, which is a "
                "superuser or has BYPASSRLS: let the application log in as a role without these "
                "that does not own the tables, and leave SET ROLE to enforce()"
            )
        dbapi_connection.info[_PROVEN] = role
        return tuple(row)

    def _tell_nothing(self, dbapi_connection: Any, bound: Bound) -> None:
        if bound is not None:
            raise ConfigurationError(
                "a connection in AUTOCOMMIT has no transaction that could hold the tenant: "
                "keep the default isolation level, or use a separate engine that is not passed "
                "to enforce()"
            )
        self._send(dbapi_connection, _CLEAR_SESSION, _NOTHING)

    def _required_role(self) -> str:
        if self._system_role is None:
            raise ConfigurationError(
                "a system scope is in force, and this engine shows one tenant's rows at a "
                "time: name a role with BYPASSRLS, enforce(engine, system_role=...), or use a "
                "separate engine that logs in as such a role"
            )
        return self._system_role

    def _take_role(self, dbapi_connection: Any, role: str) -> None:
        self._send(dbapi_connection, _SET_ROLE, (*_NOTHING, role))


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a connection, until it is asked for again.

    Attributes:
        backend: what it is to the database.
        start: when a transaction began by the database's clock, in microseconds since 1970.
        monotonic: when that was by Python's monotonic clock, in seconds.
        wall: when that was by the clock of this machine, in seconds.
    """

    backend: Backend
    start: int
    monotonic: float
    wall: float

    def start_of_next(self) -> int | None:
        """Return when a transaction begins that is begun now; ``None`` if it is not known."""
        passed = time.monotonic() - self.monotonic
        # The monotonic clock may stand still while the machine sleeps.
        if passed > _KNOWN_FOR or abs(time.time() - self.wall - passed) > 1:
            return None
        return self.start + int(passed * 1_000_000)


class _SignedPolicies(_Policies):
    """The hooks of an engine whose transactions are signed."""

    def __init__(
        self, dialect: Dialect, system_role: str | None, signer: Signer, *, pooled: bool
    ) -> None:
        super().__init__(dialect, system_role, _SIGNED)
        self._signer = signer
        self._pooled = pooled
        self._bind = with_setting(BINDERS[dialect.driver]())
        self._pid = PIDS[dialect.driver]

    def on(self, dialect: Dialect) -> _SignedPolicies:
        """Return what does the same for another dialect's engine."""
        return _SignedPolicies(dialect, self._system_role, self._signer, pooled=self._pooled)

    def _take_tenant(self, dbapi_connection: Any, bound: TenantContext | None) -> None:
        if bound is None:
            self._send_proven(dbapi_connection, _SIGNED, (*_NOTHING, ""))
            return
        values, info = _values(bound), dbapi_connection.info
        known: _Known | None = info.get(_KNOWN)
        if known is not None and (start := known.start_of_next()) is not None:
            signature = self._signer.sign(known.backend, start, values)
            *_, role = self._bind(dbapi_connection, _SIGNED_AND_NAMED, (*values, signature))
            if role == info.get(_PROVEN):
                return
        backend, start = self._ask(dbapi_connection)
        signature = self._signer.sign(backend, start, values)
        if self._pooled and _ACCEPTED in info:
            self._bind(dbapi_connection, _SIGNED, (*values, signature))
            return
        row = self._bind(dbapi_connection, _SIGNED_AND_CHECKED, (*values, signature))
        self._accept(dbapi_connection, row[-1])

    def _take_role(self, dbapi_connection: Any, role: str) -> None:
        known: _Known | None = dbapi_connection.info.get(_KNOWN)
        if known is not None and (start := known.start_of_next()) is not None:
            backend = known.backend
        else:
            backend, start = self._ask(dbapi_connection)
        signature = self._signer.sign(replace(backend, role=role), start, None)
        row = self._bind(dbapi_connection, _SIGNED_ROLE, (*_NOTHING, signature, role))
        self._accept(dbapi_connection, row[-1])

    def _accept(self, dbapi_connection: Any, is_valid: str | None) -> None:
        """Raise unless the database has accepted the signature."""
        if is_valid != "true":
            raise ConfigurationError(
                "the database does not accept the signature of this engine: store its key with "
                "rls.store_keys(connection, [key]) as the owner of the policies"
            )
        dbapi_connection.info[_ACCEPTED] = True

    def _ask(self, dbapi_connection: Any) -> tuple[Backend, int]:
        """Ask the database what the connection is to it, and when the transaction began."""
        row = self._send_proven(dbapi_connection, _DESCRIBE, ())
        pid, epoch, database, user, role = row
        backend, start = Backend(int(pid), database, user, role), round(float(epoch) * 1_000_000)
        if not self._pooled:
            if backend.pid != self._pid(dbapi_connection):
                raise ConfigurationError(
                    "a pooler is between this engine and PostgreSQL, and each transaction may "
                    "have another backend: enforce(engine, key=..., pooled=True)"
                )
            dbapi_connection.info[_KNOWN] = _Known(backend, start, time.monotonic(), time.time())
        return backend, start


def _values(bound: TenantContext | None) -> tuple[str, ...]:
    if bound is None:
        return _NOTHING
    tenant_id = bound.tenant_id
    place = _PLACES.get(type(tenant_id), _PLACE_OF_UUID)
    return (*_NOTHING[:place], str(tenant_id), *_NOTHING[place + 1 :])
