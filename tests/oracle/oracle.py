"""The comparison: a guarded statement among everybody's rows, and the same one, with no
guard, where the tenant is alone.

Two databases have the same tables. ``mixed`` holds the rows of all tenants, ``alone``
those of one, with the same keys. Whatever is done inside the tenant's scope on ``mixed``
must return what it returns without a guard on ``alone``, must leave the tenant's rows as
they are there afterwards, and everybody else's as they were.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Delete, Engine, NullPool, Table, event, inspect
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from tenantshield_mw import system_scope, tenant_scope
from tests.databases import DatabaseName

from .filling import databases, prepared
from .rows import TENANT
from .schema import Base, mark
from .values import plain

__all__ = [
    "AsyncPair",
    "Mismatch",
    "Pair",
    "Rejected",
    "Run",
    "async_pair",
    "pair",
]

Run: TypeAlias = Callable[[Session], Any]
"""What is compared: does something with a session and returns what it saw."""

Content: TypeAlias = dict[str, Counter[tuple[Any, ...]]]


class Mismatch(AssertionError):  # noqa: N818 - it is a finding
    """The guarded statement did something else."""


class Rejected(Exception):  # noqa: N818 - nothing went wrong in the guard
    """The database itself refuses the statement, with no guard there."""


# -- two databases ---------------------------------------------------------------


class _Side:
    """One of the two databases."""

    def __init__(self, name: DatabaseName, engine: Engine, sees_all_as: str | None = None) -> None:
        self.name: DatabaseName = name
        self.sees_all_as = sees_all_as
        self.engine = engine
        self.sent: deque[str] = deque(maxlen=8)
        self.finds_first = False
        event.listen(engine, "before_cursor_execute", self._note)
        event.listen(engine, "before_execute", self._find_first, retval=True)

    def _find_first(
        self, connection: Any, element: Any, many: Any, parameters: Any, options: Any
    ) -> Any:
        """Let a ``DELETE`` find all rows first, as it should, where that is wished.

        SQLite up to 3.40 and MariaDB may delete while they look, and so see in a subquery
        that the row before is gone. The guard makes them find all rows first.
        """
        if self.finds_first and isinstance(element, Delete):
            # Only here: another process does without the adapter.
            from tenantshield_mw.adapters.sqlalchemy.compiler.rewriting import select_keys_first

            key = [each.name for each in inspect(element.table).primary_key]
            element = select_keys_first(element, key)
        return element, many, parameters

    def _note(
        self, connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any
    ) -> None:
        self.sent.append(f"{statement}\n    {parameters!r}")

    def content(self, connection: Connection) -> Content:
        """Return all rows, read by the driver within ``connection``'s transaction."""
        if self.sees_all_as is not None:
            _raw(connection, f"SET LOCAL ROLE {self.sees_all_as}")
        found = {
            table.name: Counter(_raw(connection, f"SELECT * FROM {self.sql_name(table)}"))
            for table in Base.metadata.sorted_tables
        }
        if self.sees_all_as is not None:
            _raw(connection, "RESET ROLE")
        return found

    def sql_name(self, table: Table) -> str:
        return table.name if self.name == "mariadb" else table.fullname


def _raw(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
    finally:
        cursor.close()


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any
    error: str | None
    before: Content
    after: Content


class _Compared:
    """What the sync and the async pair share: the two outcomes and how they compare."""

    def __init__(self, mixed: _Side, alone: _Side) -> None:
        self._mixed = mixed
        self._alone = alone

    @property
    def alone(self) -> Engine:
        """The engine on the database that holds the tenant's rows and no others."""
        return self._alone.engine

    @property
    def database(self) -> DatabaseName:
        return self._mixed.name

    def _expected(self, run: Run, session: Session, *, writes: bool) -> _Outcome:
        self._alone.sent.clear()
        outcome = _outcome(self._alone, run, session, writes)
        if outcome.error is not None:
            raise Rejected(outcome.error)
        return outcome

    def _actual(self, run: Run, session: Session, *, writes: bool) -> _Outcome:
        self._mixed.sent.clear()
        return _outcome(self._mixed, run, session, writes)

    def _compare(self, expected: _Outcome, actual: _Outcome) -> None:
        if actual.error is not None:
            self._raise("the guarded statement fails", None, actual.error)
        if actual.value != expected.value:
            self._raise("the results differ", expected.value, actual.value)
        for table, before in actual.before.items():
            others = before - expected.before[table]
            after = actual.after[table]
            if others - after:
                self._raise(f"rows of others in {table} changed", others, after & others)
            if after - others != expected.after[table]:
                self._raise(
                    f"the tenant's rows in {table} differ", expected.after[table], after - others
                )

    def _reject_if_unstable(self, again: _Outcome, actual: _Outcome) -> None:
        """Reject what comes out as the guard had it when it is done again without one.

        SQLAlchemy 2.1 renders some FROM elements twice when a statement object is compiled
        for the second time, and a database may delete while it looks. Nobody else's rows
        are there, so no leak can pass for this.
        """
        if again.error is not None:
            # What the database complains about, without the statement.
            complaint = again.error.partition("[SQL:")[0]
            if actual.error is not None and actual.error.startswith(complaint):
                raise Rejected(again.error)
            return
        try:
            self._compare(again, actual)
        except Mismatch:
            return
        raise Rejected("the statement does something else at the second time")

    def _raise(self, what: str, expected: Any, actual: Any) -> None:
        sent = "\n".join(self._mixed.sent)
        unguarded = "\n".join(self._alone.sent)
        raise Mismatch(
            f"{what} ({self.database})\n"
            f"expected: {_shown(expected)}\n"
            f"actual:   {_shown(actual)}\n"
            f"guarded, sent:\n{sent}\n"
            f"unguarded, sent:\n{unguarded}"
        )


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) < 2000 else f"{shown[:2000]} ..."


def _leaves(value: Any) -> set[str]:
    if isinstance(value, list | tuple):
        return {leaf for each in value for leaf in _leaves(each)}
    return {repr(value)}


def _outcome(side: _Side, run: Run, session: Session, writes: bool) -> _Outcome:
    connection = session.connection()
    before = side.content(connection) if writes else {}
    value, error = None, None
    try:
        value = plain(run(session))
    except DBAPIError as found:
        error = f"{type(found).__name__}: {found}"
    except Exception as found:
        # On the tenant's own database nothing but the database may refuse.
        if side.engine.get_execution_options().get("alone"):
            raise
        error = f"{type(found).__name__}: {found}"
    after: Content = {}
    if error is None and writes:
        session.flush()
        # The transaction is the one of before, unless the statement ended it.
        after = side.content(session.connection())
    session.rollback()
    return _Outcome(value, error, before, after)


class Pair(_Compared):
    """The two databases, reached by sync sessions."""

    def compare(self, run: Run, *, writes: bool = True) -> None:
        """Run ``run`` on both and compare; nothing of it is kept.

        Args:
            run: what to do.
            writes: whether to compare what the tables hold afterwards, too.

        Raises:
            Mismatch: the guard makes a difference.
            Rejected: the statement does not work without a guard either.
        """
        with system_scope("the tenant is alone here"), Session(self._alone.engine) as session:
            expected = self._expected(run, session, writes=writes)
        with tenant_scope(TENANT), Session(self._mixed.engine) as session:
            actual = self._actual(run, session, writes=writes)
        try:
            self._compare(expected, actual)
        except Mismatch:
            # Compiled anew, the same statement object may come out differently.
            self._alone.engine.clear_compiled_cache()
            self._alone.finds_first = True
            with system_scope("the tenant is alone here"), Session(self._alone.engine) as session:
                again = _outcome(self._alone, run, session, writes)
            self._alone.finds_first = False
            self._reject_if_unstable(again, actual)
            self._reject_if_unordered(run, expected, actual, writes=writes)
            raise

    def _reject_if_unordered(
        self, run: Run, expected: _Outcome, actual: _Outcome, *, writes: bool
    ) -> None:
        """Reject what comes out differently, with the same rows, in another order of these.

        Without an ORDER BY, SQLite may return rows in any order, and another predicate is
        reason enough. What a session has loaded of objects that refer to each other can
        depend on which of them came first.
        """
        if self.database != "sqlite" or actual.error is not None:
            return
        with system_scope("the tenant is alone here"), Session(self._alone.engine) as session:
            _raw(session.connection(), "PRAGMA reverse_unordered_selects = ON")
            try:
                reversed_ = _outcome(self._alone, run, session, writes)
            finally:
                _raw(session.connection(), "PRAGMA reverse_unordered_selects = OFF")
        if reversed_.value == expected.value or reversed_.after != expected.after:
            return
        # Nothing that was not there, in whichever order.
        if _leaves(actual.value) <= _leaves(expected.value) | _leaves(reversed_.value):
            raise Rejected("what comes out depends on an order that was not asked for")


class AsyncPair(_Compared):
    """The two databases, reached by async sessions."""

    def __init__(self, mixed: _Side, alone: _Side, engines: Sequence[AsyncEngine]) -> None:
        super().__init__(mixed, alone)
        self._engines = engines

    async def compare(self, run: Run, *, writes: bool = True) -> None:
        """Do what :meth:`Pair.compare` does."""
        mixed, alone = self._engines
        with system_scope("the tenant is alone here"):
            async with AsyncSession(alone) as session:
                expected = await session.run_sync(
                    lambda sync: self._expected(run, sync, writes=writes)
                )
        with tenant_scope(TENANT):
            async with AsyncSession(mixed) as session:
                actual = await session.run_sync(lambda sync: self._actual(run, sync, writes=writes))
        self._compare(expected, actual)


# -- making them -----------------------------------------------------------------


@contextmanager
def pair(
    name: DatabaseName, *, guard: bool = True, policies: Sequence[str] | None = None
) -> Generator[Pair, None, None]:
    """Yield the two databases, reached by sync sessions.

    Args:
        name: which kind of database.
        guard: whether the tables are declared, which holds for the whole process.
        policies: what protects ``mixed`` in the database itself, if anything does.
    """
    if guard:
        mark()
    with databases(name, policies) as both, ExitStack() as stack:
        sides = [
            _Side(name, prepared(name, here.engine()), getattr(here, "system", None))
            for here in both
        ]
        for side in sides:
            stack.callback(side.engine.dispose)
        sides[1].engine.update_execution_options(alone=True)
        yield Pair(*sides)


@contextmanager
def async_pair(name: DatabaseName) -> Generator[AsyncPair, None, None]:
    """Yield the two databases, reached by async sessions, from any event loop."""
    mark()
    with databases(name) as both:
        # A connection belongs to the loop in which it was opened.
        engines = [here.async_engine(poolclass=NullPool) for here in both]
        sides = [_Side(name, prepared(name, engine.sync_engine)) for engine in engines]
        sides[1].engine.update_execution_options(alone=True)
        yield AsyncPair(sides[0], sides[1], engines)
