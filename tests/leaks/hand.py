"""What a way is given to act with."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from sqlalchemy import Engine, Table
from sqlalchemy import inspect as inspect_object
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import InstanceState, Session

from tests.policy_database import PolicyDatabase

from .store import Store

__all__ = ["Hand", "flat"]


class Hand:
    """What a way is given to act with.

    Attributes:
        session: a session in the scope of the caller's tenant.
        a: the same, async; only in ways that are coroutine functions.
        engine: the engine under it.
        mine: the caller's tenant.
        theirs: the other tenant.
        key: the name of the tenant column.
        database: which kind of database this is.
    """

    # The models have no static types here, and so their queries have none.
    session: Any
    a: Any

    def __init__(self, store: Store, engine: Engine, async_engine: AsyncEngine | None) -> None:
        self._store = store
        self._protection = store.protection
        self.engine = engine
        self.async_engine = async_engine
        self.mine = store.protection.mine
        self.theirs = store.protection.theirs
        self.key = store.models.key
        self.database = store.database.name
        self.reviewed = store.protection.reviewed
        self._stack = ExitStack()

    @property
    def connection(self) -> Any:
        """The session's connection, for Core statements."""
        return self.session.connection()

    def scope(self, tenant: Any) -> AbstractContextManager[Any]:
        """Return a scope of ``tenant``, nested in whatever is in scope."""
        return self._protection.scope(tenant)

    def unbound(self) -> AbstractContextManager[Any]:
        """Return a scope in which there is no tenant."""
        return self._protection.scope(None)

    def system(self) -> AbstractContextManager[Any]:
        """Return a scope in which every tenant may be seen."""
        return self._protection.system()

    def carry(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` with the present tenant, for another thread."""
        return self._protection.carry(function)

    def new_session(self, **options: Any) -> Any:
        """Return one more session; it is closed at the end."""
        session = Session(self.engine, **options)
        self._protection.opened(session)
        self._stack.callback(session.close)
        return session

    def new_async_session(self, **options: Any) -> Any:
        """Return one more async session, which the caller closes."""
        assert self.async_engine is not None
        session = AsyncSession(self.async_engine, **options)
        self._protection.opened(session.sync_session)
        return session

    def opened(self, session: Session) -> None:
        """Let the protection have its way with a session that the way made."""
        self._protection.opened(session)

    def shared(self, table: Table) -> Table:
        """Declare a table as the same for all tenants."""
        return self._protection.shared(table)

    def fresh_engine(self) -> Engine:
        """Return an engine with connections of its own; the caller disposes of it."""
        return self._store.database.engine()

    def fresh_async_engine(self) -> AsyncEngine:
        """Return the same, async, for another event loop."""
        return self._store.database.async_engine()

    def stored(self, sql: str) -> list[tuple[Any, ...]]:
        """Return what the database holds, read by the driver."""
        return self._store.database.read(self._store.named(sql))

    @contextmanager
    def changed(self, there: str, back: str) -> Generator[None, None, None]:
        """Let the driver run ``there`` now and ``back`` at the end.

        What a mistake left behind long ago: rows of one tenant that refer to another's.
        """
        self._store.change(there)
        try:
            yield
        finally:
            self.session.rollback()
            self._store.change(back)

    @contextmanager
    def enforcing(self) -> Generator[Any, None, None]:
        """Yield a connection on which SQLite enforces foreign keys, as the others do always."""
        with self.engine.connect() as connection:
            if self.database == "sqlite":
                cursor = connection.connection.cursor()
                cursor.execute("PRAGMA foreign_keys = ON")
                cursor.close()
            try:
                yield connection
                connection.commit()
            finally:
                if self.database == "sqlite":
                    connection.invalidate()

    def named(self, sql: str) -> str:
        """Return ``sql`` with this run's names in it, and this database's quotes."""
        return self._store.named(sql)

    def make(self, sql: str) -> None:
        """Run ``sql`` by the driver, to set up a way."""
        self._store.change(sql)

    def drop(self, name: str, kind: str = "TABLE") -> None:
        """Drop what a way made, by the driver."""
        self._store.change(f"DROP {kind} IF EXISTS {name}")

    def driver(self) -> AbstractContextManager[Any]:
        """Return a connection of the driver's own, as the application could open one."""
        database = self._store.database
        return database.app_dbapi() if isinstance(database, PolicyDatabase) else database.dbapi()

    def close(self) -> None:
        self._stack.close()


def flat(value: Any, seen: set[int] | None = None) -> list[Any]:
    """Return every value that can be reached from ``value`` without any SQL."""
    seen = set() if seen is None else seen
    if value is None or isinstance(value, str | bytes | int | float | uuid.UUID):
        return [value]
    if id(value) in seen:
        return []
    state = inspect_object(value, raiseerr=False)
    if isinstance(state, InstanceState):
        seen.add(id(value))
        value = [each for key, each in sorted(state.dict.items()) if key[0] != "_"]
    elif isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    elif isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    if isinstance(value, Iterable):
        return [found for each in value for found in flat(each, seen)]
    return [value]
