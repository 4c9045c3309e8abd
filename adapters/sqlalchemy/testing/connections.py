"""Check PostgreSQL's connections in tests: who logs in, and what is left behind in a pool."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.pool import Pool

from tenantshield_mw.context import try_current_tenant

from ..errors import ConfigurationError
from ..rls.functions import SETTINGS

__all__ = ["ConnectionWatch", "check_role"]

_ROLE: Final = (
    "SELECT rolname, rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user"
)
_LEFT: Final = "SELECT " + ", ".join(
    f"current_setting('{name}', true)" for name in SETTINGS.values()
)
_CLEAR: Final = "SELECT " + ", ".join(
    f"set_config('{name}', '', false)" for name in SETTINGS.values()
)
_CHECKED: Final = "tenantshield_testing_role"


def check_role(connection: Connection, role: str | None = None) -> None:
    """Check that policies apply to the role of a connection; on other databases, do nothing.

    Args:
        connection: a connection of the application's engine.
        role: the name of the role with which the application logs in in production, if it has to
            be the same.

    Raises:
        ConfigurationError: the role is a superuser or has ``BYPASSRLS``, or another than ``role``.
    """
    if connection.dialect.name == "postgresql":
        problem = _role_problem(connection.connection, role)
        if problem is not None:
            raise ConfigurationError(problem)


class ConnectionWatch:
    """Looks at each connection to PostgreSQL that a pool of the process gives out or gets back.

    What it finds is in :attr:`found`: a connection that comes back with a tenant in the settings
    that the policies read; and a connection that is given out in a tenant's scope to a role to
    which policies do not apply, or to another role than ``role``.

    Args:
        role: the name of the role with which the application logs in in production, if it has to
            be the same.
    """

    def __init__(self, role: str | None = None) -> None:
        self._role = role
        self.found: list[str] = []

    def start(self) -> None:
        """Look at connections from now on."""
        event.listen(Pool, "checkout", self._given_out)
        event.listen(Pool, "checkin", self._returned)

    def stop(self) -> None:
        """Look no longer."""
        event.remove(Pool, "checkout", self._given_out)
        event.remove(Pool, "checkin", self._returned)

    def _given_out(self, dbapi_connection: Any, record: Any, proxy: Any) -> None:
        if try_current_tenant() is None or not _is_postgresql(dbapi_connection):
            return
        if record.info.setdefault(_CHECKED, self) is self:
            record.info[_CHECKED] = None
            problem = _role_problem(dbapi_connection, self._role)
            # No transaction is open yet.
            dbapi_connection.rollback()
            if problem is not None:
                self.found.append(f"in a tenant's scope, {problem}")

    def _returned(self, dbapi_connection: Any, record: Any) -> None:
        # A connection that was invalidated is None.
        if dbapi_connection is None or not _is_postgresql(dbapi_connection):
            return
        if _is_closed(dbapi_connection):
            return
        try:
            is_set = any(_row(dbapi_connection, _LEFT))
            if is_set:
                # Only the test that left it is to fail.
                _row(dbapi_connection, _CLEAR)
            # The pool has ended the last transaction before.
            dbapi_connection.commit()
        except Exception as error:
            # Each driver has a class of this name, for a connection that is closed (PEP 249).
            if type(error).__name__ != "InterfaceError":
                raise
            return
        if is_set:
            self.found.append(
                "a connection returned to the pool with a tenant set, so that the next to use it "
                "could run as this tenant: set it with SET LOCAL or set_config(..., true), which "
                "end with the transaction"
            )


def _role_problem(dbapi_connection: Any, expected: str | None) -> str | None:
    role, is_exempt = _row(dbapi_connection, _ROLE)
    if is_exempt:
        return (
            f"the application's connection is of the role {role}, which is a superuser or has "
            "BYPASSRLS: no policy applies to it, so the tests prove nothing about them. Let the "
            "tests log in with the role of production"
        )
    if expected is not None and role != expected:
        return (
            f"the application's connection is of the role {role}, and production's is {expected}: "
            "let the tests log in with that"
        )
    return None


def _is_postgresql(dbapi_connection: Any) -> bool:
    module = type(dbapi_connection).__module__
    return module.startswith(("psycopg", "pg8000", "sqlalchemy.dialects.postgresql."))


def _is_closed(dbapi_connection: Any) -> bool:
    connection = getattr(dbapi_connection, "driver_connection", dbapi_connection)
    if hasattr(connection, "is_closed"):  # asyncpg
        return bool(connection.is_closed())
    # pg8000 does not tell.
    return bool(getattr(connection, "closed", False))


def _row(dbapi_connection: Any, sql: str) -> tuple[Any, ...]:
    """Return the only row."""
    cursor = dbapi_connection.cursor()
    try:
        cursor.execute(sql)
        return tuple(cursor.fetchone())
    finally:
        cursor.close()
