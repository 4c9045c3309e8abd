"""PostgreSQL with policies, and an application that logs in as an ordinary role."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.databases import Database, database

__all__ = ["PolicyDatabase", "is_refused_by_policy", "policy_database"]

INSUFFICIENT_PRIVILEGE: Final = "42501"
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""


@dataclass(frozen=True, slots=True)
class PolicyDatabase(Database):
    """A database whose engines log in as a role to which policies apply.

    :meth:`dbapi`, with which the contents are judged, reads as a superuser.

    Attributes:
        owner: a role that owns the tables and is nothing else.
        app: the role of the application.
        system: a role that sees all rows, and may do to a table what its owner may.
    """

    owner: str
    app: str
    system: str

    def engine(self, **options: Any) -> Engine:
        # Not super(): a dataclass with slots is another class than the one defined here.
        engine = Database.engine(self._as_app(), **options)
        self._hold_tenant(engine)
        return engine

    def async_engine(self, **options: Any) -> AsyncEngine:
        engine = Database.async_engine(self._as_app(), **options)
        self._hold_tenant(engine)
        return engine

    @contextmanager
    def app_dbapi(self) -> Generator[Any, None, None]:
        """Yield a connection of the driver, as the application could open one."""
        import psycopg

        arguments: dict[str, Any] = {**self._connect, "user": self.app}
        with psycopg.connect(**arguments, autocommit=True) as connection:
            yield connection

    def _hold_tenant(self, engine: Engine | AsyncEngine) -> None:
        # Imported here: when other packages are tested, this package is not installed.
        from tenantshield_mw.adapters.sqlalchemy import rls

        rls.enforce(engine, system_role=self.system)

    def _as_app(self) -> Database:
        return Database(
            self.name,
            self.url.set(username=self.app),
            self.async_url.set(username=self.app),
            self._connect,
        )

    def open_schema(self, name: str) -> None:
        """Grant the roles the use of a schema."""
        self.run(
            f"GRANT ALL ON SCHEMA {name} TO {self.owner}",
            f"GRANT USAGE ON SCHEMA {name} TO {self.app}, {self.system}",
        )

    def grant(self) -> None:
        """Grant the application and the system role the use of all existing tables."""
        for (schema,) in self.read(
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'"
        ):
            for kind, rights in (
                # Not TRUNCATE, to which no policy applies.
                ("TABLES", "SELECT, INSERT, UPDATE, DELETE"),
                ("SEQUENCES", "ALL"),
            ):
                roles = f"TO {self.app}, {self.system}"
                self.run(
                    f"GRANT {rights} ON ALL {kind} IN SCHEMA {schema} {roles}",
                    # Objects that an attack creates later.
                    f"ALTER DEFAULT PRIVILEGES FOR ROLE {self.owner} IN SCHEMA {schema} "
                    f"GRANT {rights} ON {kind} {roles}",
                )


@contextmanager
def policy_database() -> Generator[Database, None, None]:
    """Yield an empty database with three roles."""
    with (
        database("postgresql") as here,
        here.roles(owner="", app="LOGIN NOINHERIT", system="BYPASSRLS") as (owner, app, system),
    ):
        here.run(
            f"GRANT {owner} TO {system}",
            f"GRANT {system} TO {app}",
            f"GRANT ALL ON SCHEMA public TO {owner}",
        )
        yield PolicyDatabase(here.name, here.url, here.async_url, here._connect, owner, app, system)


def is_refused_by_policy(error: Exception) -> bool:
    """Return whether PostgreSQL refused a row because of a policy or missing privileges."""
    # As above.
    from tenantshield_mw.adapters.sqlalchemy.databases import sqlstate

    return isinstance(error, DBAPIError) and sqlstate(error.orig) == INSUFFICIENT_PRIVILEGE
