"""What runs a way on a database, and judges what came of it.

Nothing is taken from what the protection says of itself. A read is judged by the values
that it returned, a write by what the database holds afterwards, read by the driver.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import re
import traceback
import uuid
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Connection, Engine, Table, create_mock_engine, event
from sqlalchemy import inspect as inspect_object
from sqlalchemy.exc import SAWarning
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import InstanceState, Session

from tests.databases import Database, DatabaseName, database

from .catalogue import NOTHING, Way
from .protections import Protection
from .rows import Content, copies, crossings, not_mine, seed
from .schema import SCHEMA, Models, is_theirs

__all__ = ["FLAVOURS", "Arena", "Flavour", "Hand", "Outcome", "arena", "flat"]

Flavour: TypeAlias = Literal["sync", "async"]
FLAVOURS: Final[tuple[Flavour, ...]] = ("sync", "async")

Verdict: TypeAlias = Literal["confined", "refused", "LEAK", "n/a", "wrong"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one way on one database.

    ``wrong`` is neither a leak nor a pass: an error that was not foreseen, or a result
    that lacks the caller's own rows.
    """

    verdict: Verdict
    detail: str = ""


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

    session: Session
    a: AsyncSession

    def __init__(self, home: Arena, engine: Engine, async_engine: AsyncEngine | None) -> None:
        self._home = home
        self.engine = engine
        self.async_engine = async_engine
        self.mine = home.protection.mine
        self.theirs = home.protection.theirs
        self.key = home.models.key
        self.database = home.database.name
        self.reviewed = home.protection.reviewed
        self._stack = ExitStack()

    @property
    def connection(self) -> Connection:
        """The session's connection, for Core statements."""
        return self.session.connection()

    def scope(self, tenant: Any) -> AbstractContextManager[Any]:
        """Return a scope of ``tenant``, nested in whatever is in scope."""
        return self._home.protection.scope(tenant)

    def unbound(self) -> AbstractContextManager[Any]:
        """Return a scope in which there is no tenant."""
        return self._home.protection.scope(None)

    def system(self) -> AbstractContextManager[Any]:
        """Return a scope in which every tenant may be seen."""
        return self._home.protection.system()

    def carry(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` with the present tenant, for another thread."""
        return self._home.protection.carry(function)

    def new_session(self, **options: Any) -> Session:
        """Return one more session; it is closed at the end."""
        session = Session(self.engine, **options)
        self._home.protection.opened(session)
        self._stack.callback(session.close)
        return session

    def new_async_session(self, **options: Any) -> AsyncSession:
        """Return one more async session, which the caller closes."""
        assert self.async_engine is not None
        session = AsyncSession(self.async_engine, **options)
        self._home.protection.opened(session.sync_session)
        return session

    def fresh_engine(self) -> Engine:
        """Return an engine with connections of its own; the caller disposes of it."""
        return self._home.database.engine()

    def fresh_async_engine(self) -> AsyncEngine:
        """Return the same, async, for another event loop."""
        return self._home.database.async_engine()

    def stored(self, sql: str) -> list[tuple[Any, ...]]:
        """Return what the database holds, read by the driver."""
        return self._home.database.read(self._home.named(sql))

    @contextmanager
    def changed(self, there: str, back: str) -> Iterator[None]:
        """Let the driver run ``there`` now and ``back`` at the end.

        What a mistake left behind long ago: rows of one tenant that refer to another's.
        """
        self._home.change(there)
        try:
            yield
        finally:
            self.session.rollback()
            self._home.change(back)

    def named(self, sql: str) -> str:
        """Return ``sql`` with this run's names in it, and this database's quotes."""
        return self._home.named(sql)

    def make(self, sql: str) -> None:
        """Run ``sql`` by the driver, to set up a way."""
        self._home.change(sql)

    def drop(self, name: str, kind: str = "TABLE") -> None:
        """Drop what a way made, by the driver."""
        self._home.change(f"DROP {kind} IF EXISTS {name}")

    def driver(self) -> AbstractContextManager[Any]:
        """Return a connection of the driver's own."""
        return self._home.database.dbapi()

    def close(self) -> None:
        self._stack.close()


class Arena:
    """One database with the two tenants' rows, to run ways on."""

    def __init__(
        self, protection: Protection, models: Models, here: Database, runner: asyncio.Runner
    ) -> None:
        self.protection = protection
        self.models = models
        self.database = here
        self._runner = runner
        self._seed = {
            table: sorted(
                ({key: _kept(value) for key, value in row.items()} for row in rows), key=_order
            )
            for table, rows in seed(models, protection.mine, protection.theirs).items()
        }
        self._theirs = not_mine(models, self._seed, protection.mine)
        self.engine = here.engine()
        self.async_engine = here.async_engine()
        self._stack = ExitStack()
        self._build()

    def close(self) -> None:
        self.engine.dispose()
        self._runner.run(self.async_engine.dispose())
        self._stack.close()
        if self.database.name == "mariadb":
            self.database.run(f"DROP DATABASE {SCHEMA}")

    # -- running -----------------------------------------------------------------

    def run(self, way: Way, flavour: Flavour) -> Outcome:
        """Run ``way`` and judge it; the database is as before afterwards."""
        reason = self.why_not(way, flavour)
        if reason is not None:
            return Outcome("n/a", reason)
        context = contextvars.copy_context()
        try:
            with warnings.catch_warnings():
                if way.kind != "legitimate":
                    # Many ways join everything with everything on purpose.
                    warnings.filterwarnings("ignore", ".*cartesian product", SAWarning)
                result = self._run(way, flavour, context)
            outcome = self._judge_result(way, result)
        except AssertionError as error:
            outcome = Outcome("wrong", _last_line(error))
        except Exception as error:
            outcome = self._judge_error(way, error)
        return self._judge_content(way, outcome)

    def why_not(self, way: Way, flavour: Flavour) -> str | None:
        """Return why ``way`` does not exist here; ``None`` if it does."""
        missing = way.needs - self.protection.features
        if missing:
            return f"cannot be declared: {', '.join(sorted(missing))}"
        if inspect.iscoroutinefunction(way.run) and flavour == "sync":
            return "async code"
        return way.why_not.get(self.database.name, way.why_not.get(flavour))

    def _run(self, way: Way, flavour: Flavour, context: contextvars.Context) -> list[Any]:
        if flavour == "sync":
            return context.run(self._sync, way)
        return self._runner.run(self._async(way), context=context)

    @contextmanager
    def _entered(self, way: Way) -> Iterator[None]:
        if way.tenant == "mine":
            with self.protection.scope(self.protection.mine):
                yield
        else:
            yield

    def _sync(self, way: Way) -> list[Any]:
        with self._entered(way):
            hand = Hand(self, self.engine, None)
            try:
                with Session(self.engine) as hand.session:
                    return self._act(way, hand)
            finally:
                hand.close()

    async def _async(self, way: Way) -> list[Any]:
        with self._entered(way):
            hand = Hand(self, self.async_engine.sync_engine, self.async_engine)
            async with AsyncSession(self.async_engine) as hand.a:
                hand.session = hand.a.sync_session
                if not inspect.iscoroutinefunction(way.run):
                    try:
                        return await hand.a.run_sync(lambda _: self._act(way, hand))
                    finally:
                        await hand.a.run_sync(lambda _: hand.close())
                self.protection.opened(hand.session)
                found = flat(await way.run(hand, self.models))
                await hand.a.commit()
                return found

    def _act(self, way: Way, hand: Hand) -> list[Any]:
        self.protection.opened(hand.session)
        # Taken apart at once: a commit expires what it found.
        found = flat(way.run(hand, self.models))
        hand.session.commit()
        return found

    def change(self, sql: str) -> None:
        """Run ``sql`` by the driver."""
        self._cursor.execute(self.named(sql))

    # -- judging -----------------------------------------------------------------

    def _judge_result(self, way: Way, found: list[Any]) -> Outcome:
        if way.kind != "read":
            return Outcome("confined")
        if way.sees is NOTHING:
            if any(_is_something(each) for each in found):
                return Outcome("LEAK", "it found something where nothing may be seen")
            return Outcome("confined")
        if way.sees is not None:
            expected = flat(way.sees)
            if isinstance(way.sees, set):
                found, expected = sorted(found, key=repr), sorted(expected, key=repr)
            if found == expected:
                return Outcome("confined")
            return Outcome("LEAK", f"saw {found!r}, not {expected!r}"[:200])
        theirs = [each for each in found if is_theirs(each)]
        if theirs:
            return Outcome("LEAK", f"saw {theirs[0]!r}")
        if not any(isinstance(each, str) and each.startswith("own") for each in found):
            return Outcome("wrong", f"saw nothing of the caller's own: {found!r}"[:200])
        return Outcome("confined")

    def _judge_error(self, way: Way, error: Exception) -> Outcome:
        name = type(error).__name__
        if isinstance(error, self.protection.refusals):
            if is_theirs(str(error)):
                return Outcome("LEAK", f"{name} tells: {error}")
            return Outcome("refused", name)
        if isinstance(error, way.errors):
            return Outcome("confined", name)
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = str(error).splitlines()[0] if str(error) else ""
        return Outcome("wrong", f"{name}: {text} ({where.filename}:{where.lineno})"[:400])

    def _judge_content(self, way: Way, outcome: Outcome) -> Outcome:
        try:
            content = self._read()
        except Exception as error:
            self._rebuild()
            return Outcome("LEAK", f"the tables are not what they were: {_last_line(error)}")
        if content == self._seed:
            return outcome if way.then is None else self._judge_then(way, outcome)
        if way.then is not None:
            outcome = self._judge_then(way, outcome)
        theirs = not_mine(self.models, content, self.protection.mine)
        crossed = crossings(self.models, content)
        copied = copies(self.models, content, self.protection.theirs)
        self._restore([name for name, rows in content.items() if rows != self._seed[name]])
        if theirs != self._theirs:
            changed = [name for name, rows in theirs.items() if rows != self._theirs[name]]
            return Outcome("LEAK", f"rows that are not the caller's changed in {changed}")
        if crossed:
            return Outcome("LEAK", crossed[0])
        if copied:
            return Outcome("LEAK", copied[0])
        return outcome

    def _judge_then(self, way: Way, outcome: Outcome) -> Outcome:
        assert way.then is not None
        query, rows = way.then
        expected = [
            tuple(self.protection.mine if value == "{mine}" else value for value in row)
            for row in rows
        ]
        found = self.database.read(self.named(query))
        if found == expected or outcome.verdict != "confined":
            return outcome
        return Outcome("wrong", f"the database holds {found!r}, not {expected!r}")

    def named(self, sql: str) -> str:
        """Return ``sql`` with this run's names in it, and this database's quotes."""
        mine, theirs = self.protection.mine, self.protection.theirs
        text = sql.replace("{key}", self.models.key).replace("{schema}", SCHEMA)
        text = text.replace("{mine}", repr(mine)).replace("{theirs}", repr(theirs))
        return text.replace('"', "`") if self.database.name == "mariadb" else text

    # -- the content -------------------------------------------------------------

    def _read(self) -> Content:
        content: Content = {}
        for table in self.models.metadata.sorted_tables:
            keys = list(self._seed[table.fullname][0])
            names = ", ".join(f'"{key}"' for key in keys)
            self._cursor.execute(self.named(f"SELECT {names} FROM {_quoted(table)}"))
            rows = [
                {key: _kept(value) for key, value in zip(keys, row, strict=True)}
                for row in self._cursor.fetchall()
            ]
            content[table.fullname] = sorted(rows, key=_order)
        return content

    def _attached(self) -> str:
        return f"{self.database.url.database}.{SCHEMA}"

    def _build(self) -> None:
        if self.database.name == "sqlite":
            for engine in (self.engine, self.async_engine.sync_engine):
                _attach_to(engine, self._attached())
        else:
            self.database.run(f"CREATE SCHEMA {SCHEMA}")
        # Kept open, since every way is judged by it.
        self._cursor = self._stack.enter_context(self.database.dbapi()).cursor()
        if self.database.name == "sqlite":
            self._cursor.execute(f"ATTACH DATABASE '{self._attached()}' AS {SCHEMA}")
        for setting in _SETTINGS[self.database.name]:
            self._cursor.execute(setting)
        statements: list[str] = []
        mock: Any = create_mock_engine(
            self.database.url,
            lambda element, *_, **__: statements.append(str(element.compile(dialect=mock.dialect))),
        )
        self.models.metadata.create_all(mock, checkfirst=False)
        self._ddl = statements
        self._create()
        self._restore(self._seed)
        assert self._read() == self._seed

    def _create(self) -> None:
        for statement in self._ddl:
            self._cursor.execute(statement)

    def _restore(self, names: Collection[str]) -> None:
        """Put the rows of these tables back."""
        tables = [each for each in self.models.metadata.sorted_tables if each.fullname in names]
        mark = "?" if self.database.name == "sqlite" else "%s"
        self._cursor.execute("BEGIN")
        for table in tables:
            self._cursor.execute(self.named(f"DELETE FROM {_quoted(table)}"))
        for table in tables:
            rows = self._seed[table.fullname]
            keys = ", ".join(f'"{key}"' for key in rows[0])
            marks = ", ".join([mark] * len(rows[0]))
            self._cursor.execute(
                self.named(
                    f"INSERT INTO {_quoted(table)} ({keys}) VALUES "
                    + ", ".join([f"({marks})"] * len(rows))
                ),
                [value for row in rows for value in row.values()],
            )
        self._cursor.execute("COMMIT")
        self._number(tables)

    def _number(self, tables: list[Table]) -> None:
        """Let new rows get ids from 901 up."""
        for table in tables:
            column = table.autoincrement_column
            if column is None or column.foreign_keys:
                continue
            if self.database.name == "postgresql":
                self._cursor.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, %s), 900)",
                    (_quoted(table), column.name),
                )
            elif self.database.name == "mariadb":
                self._cursor.execute(self.named(f"ALTER TABLE {_quoted(table)} AUTO_INCREMENT = 1"))

    def _rebuild(self) -> None:
        """Make all tables anew."""
        for name, kind in self._existing():
            cascade = " CASCADE" if self.database.name == "postgresql" else ""
            self._cursor.execute(self.named(f"DROP {kind} IF EXISTS {name}{cascade}"))
        self._create()
        self._restore(self._seed)

    def _existing(self) -> list[tuple[str, str]]:
        if self.database.name == "sqlite":
            query = " UNION ALL ".join(
                f"SELECT '{schema}', name, type FROM {schema}.sqlite_master "
                "WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%'"
                for schema in ("main", SCHEMA)
            )
        else:
            query = (
                "SELECT table_schema, table_name, table_type FROM information_schema.tables "
                f"WHERE table_schema IN ('public', '{self.database.url.database}', '{SCHEMA}')"
            )
        self._cursor.execute(query)
        return [
            (f'{schema}."{name}"', "VIEW" if kind.upper() == "VIEW" else "TABLE")
            for schema, name, kind in self._cursor.fetchall()
        ]


_SETTINGS: Final[Mapping[DatabaseName, tuple[str, ...]]] = {
    "sqlite": (
        "PRAGMA foreign_keys = OFF",
        "PRAGMA synchronous = OFF",
        # Lets a way leave a transaction open while another writes.
        "PRAGMA main.journal_mode = WAL",
        f"PRAGMA {SCHEMA}.journal_mode = WAL",
    ),
    # A way that left a transaction open makes the next restoration fail, not hang.
    "postgresql": ("SET session_replication_role = replica", "SET lock_timeout = '5s'"),
    "mariadb": ("SET foreign_key_checks = 0", "SET innodb_lock_wait_timeout = 5"),
}


def _attach_to(engine: Engine, path: str) -> None:
    @event.listens_for(engine, "connect")
    def attach(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"ATTACH DATABASE '{path}' AS {SCHEMA}")
        cursor.close()


def _quoted(table: Table) -> str:
    return f'{table.schema}."{table.name}"' if table.schema else f'"{table.name}"'


def _order(row: Mapping[str, Any]) -> str:
    return repr(list(row.values()))


def _kept(value: Any) -> Any:
    """Return ``value`` in the one form that all databases and drivers take and compare."""
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, str) and _UUID.fullmatch(value):
        return value.replace("-", "")
    return value


_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _last_line(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {str(error)[:200]} ({where.filename}:{where.lineno})"


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


def _is_something(value: Any) -> bool:
    return value not in (None, False, 0, "")


@contextmanager
def arena(
    protection: Protection, models: Models, name: DatabaseName, runner: asyncio.Runner
) -> Iterator[Arena]:
    """Yield an arena on a database of its own.

    Args:
        protection: what is put to the test.
        models: the models, marked for it; the same for every arena of a process.
        name: which kind of database.
        runner: the event loop of the async ways, whose engine keeps connections to it.
    """
    with database(name) as here:
        home = Arena(protection, models, here, runner)
        try:
            yield home
        finally:
            home.close()
