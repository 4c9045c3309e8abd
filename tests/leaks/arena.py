"""What runs a way on a database, and judges what came of it.

Nothing is taken from what the protection says of itself. A read is judged by the values
that it returned, a write by what the database holds afterwards, read by the driver.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import traceback
import warnings
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from sqlalchemy.exc import SAWarning
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from tests.databases import Database, DatabaseName, database
from tests.drivers import with_driver
from tests.policy_database import policy_database

from .catalogue import NOTHING, Way
from .hand import Hand, flat
from .owners import copies, crossings, not_mine
from .protections import Protection
from .schema import Models, is_theirs
from .store import Store

if TYPE_CHECKING:
    from .placed import PlaceKind

__all__ = ["FLAVOURS", "Arena", "Flavour", "Outcome", "arena"]

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


class Arena:
    """One database with the two tenants' rows, to run ways on."""

    def __init__(
        self, protection: Protection, models: Models, here: Database, runner: asyncio.Runner
    ) -> None:
        self.protection = protection
        self.models = models
        self.database = here
        self._runner = runner
        self._store = Store(protection, models, here)
        self._theirs = not_mine(models, self._store.seed, protection.mine)

    def close(self) -> None:
        self._runner.run(self._dispose())
        self._store.close()

    async def _dispose(self) -> None:
        # The databases of tenants are closed with the engines, see :class:`.placed.Places`.
        self._store.engine.dispose()
        await self._store.async_engine.dispose()

    def use_engines_of(self, other: Arena) -> None:
        """Run ways on the engines of another arena."""
        self._runner.run(self._dispose())
        self._store.engine = other._store.engine
        self._store.async_engine = other._store.async_engine

    def is_untouched(self) -> bool:
        """Return whether the database has the rows that it had at first; if not, restore them."""
        if self._store.read() == self._store.seed:
            return True
        self._store.restore(self._store.seed)
        return False

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
        if self.protection.at is not None and (reason := _why_elsewhere(way)):
            return reason
        if self.protection.has_policies and "policies" in way.why_not:
            return way.why_not["policies"]
        return way.why_not.get(self.database.name, way.why_not.get(flavour))

    def _run(self, way: Way, flavour: Flavour, context: contextvars.Context) -> list[Any]:
        if flavour == "sync":
            return context.run(self._sync, way)
        return self._runner.run(self._async(way), context=context)

    @contextmanager
    def _entered(self, way: Way) -> Generator[None, None, None]:
        if way.tenant == "mine":
            with self.protection.scope(self.protection.mine):
                yield
        else:
            yield

    def _sync(self, way: Way) -> list[Any]:
        with self._entered(way):
            hand = Hand(self._store, self._store.engine, None)
            try:
                with Session(self._store.engine) as hand.session:
                    return self._act(way, hand)
            finally:
                hand.close()

    async def _async(self, way: Way) -> list[Any]:
        with self._entered(way):
            hand = Hand(self._store, self._store.async_engine.sync_engine, self._store.async_engine)
            async with AsyncSession(self._store.async_engine) as hand.a:
                hand.session = hand.a.sync_session
                if not inspect.iscoroutinefunction(way.run):
                    try:
                        found: list[Any] = await hand.a.run_sync(lambda _: self._act(way, hand))
                        return found
                    finally:
                        await hand.a.run_sync(lambda _: hand.close())
                self.protection.opened(hand.session)
                result = flat(await way.run(hand, self.models))
                await hand.a.commit()
                return result

    def _act(self, way: Way, hand: Hand) -> list[Any]:
        self.protection.opened(hand.session)
        # Taken apart at once: a commit expires what it found.
        found = flat(way.run(hand, self.models))
        hand.session.commit()
        return found

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
        if way.open and self.protection.has_policies:
            # A cursor that was opened past SQLAlchemy is in no transaction that has a
            # tenant, and so sees nothing at all.
            return Outcome("confined")
        if not any(isinstance(each, str) and each.startswith("own") for each in found):
            return Outcome("wrong", f"saw nothing of the caller's own: {found!r}"[:200])
        return Outcome("confined")

    def _judge_error(self, way: Way, error: Exception) -> Outcome:
        name = type(error).__name__
        if self.protection.is_refusal(error):
            # What the database says of it; SQLAlchemy adds the way's own parameters.
            if is_theirs(str(getattr(error, "orig", error))):
                return Outcome("LEAK", f"{name} tells: {error}")
            return Outcome("refused", name)
        if isinstance(error, way.errors):
            return Outcome("confined", name)
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = str(error).splitlines()[0] if str(error) else ""
        return Outcome("wrong", f"{name}: {text} ({where.filename}:{where.lineno})"[:400])

    def _judge_content(self, way: Way, outcome: Outcome) -> Outcome:
        try:
            content = self._store.read()
        except Exception as error:
            self._store.rebuild()
            return Outcome("LEAK", f"the tables are not what they were: {_last_line(error)}")
        if content == self._store.seed:
            return outcome if way.then is None else self._judge_then(way, outcome)
        if way.then is not None:
            outcome = self._judge_then(way, outcome)
        theirs = not_mine(self.models, content, self.protection.mine)
        crossed = crossings(self.models, content)
        copied = copies(self.models, content, self.protection.mine)
        self._store.restore(
            [name for name, rows in content.items() if rows != self._store.seed[name]]
        )
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
        found = self.database.read(self._store.named(query))
        if found == expected or outcome.verdict != "confined":
            return outcome
        return Outcome("wrong", f"the database holds {found!r}, not {expected!r}")


def _why_elsewhere(way: Way) -> str | None:
    # Imported here: when other packages are tested, this package is not installed.
    from .placed import ELSEWHERE

    return ELSEWHERE.get(way.name)


def _last_line(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {str(error)[:200]} ({where.filename}:{where.lineno})"


def _is_something(value: Any) -> bool:
    return value not in (None, False, 0, "")


@contextmanager
def arena(
    protection: Protection,
    models: Models,
    name: DatabaseName,
    runner: asyncio.Runner,
    *,
    driver: str | None = None,
    place: PlaceKind | None = None,
) -> Generator[Arena, None, None]:
    """Yield an arena on a database of its own.

    Args:
        protection: what is put to the test.
        models: the models, marked for it; the same for every arena of a process.
        name: which kind of database.
        runner: the event loop of the async ways, whose engine keeps connections to it.
        driver: SQLAlchemy's name of another driver of PostgreSQL for the sync ways.
        place: where the tenants are, if not in shared tables.
    """
    with policy_database() if protection.has_policies else database(name) as here:
        if driver is not None:
            here = replace(here, url=with_driver(here.url, driver))
        with _placed(here, place, protection, models) as home_of:
            home = Arena(protection, models, home_of, runner)
            try:
                yield home
            finally:
                home.close()


def _placed(
    here: Database, kind: PlaceKind | None, protection: Protection, models: Models
) -> AbstractContextManager[Database]:
    if kind is None:
        return nullcontext(here)
    # As above.
    from .placed import placed

    return placed(here, kind, protection, models)
