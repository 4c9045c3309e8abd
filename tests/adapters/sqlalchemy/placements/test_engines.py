"""There are at most so many engines, and none that is in use is disposed of."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from tenantshield_mw import PlacementUnavailableError
from tenantshield_mw.adapters.sqlalchemy.placements import UNFINISHED, Placement
from tenantshield_mw.adapters.sqlalchemy.placements.engines import Engines
from tests.threads import in_thread


class Made:
    """Creates engines, and counts the connections that are open."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self.created: list[str] = []
        self.engines = Engines(self._create, most, asks=True)
        self.base = create_engine("sqlite://")

    def _create(self, name: str) -> Engine:
        self.created.append(name)
        return create_engine(
            f"sqlite:///{self._folder}/{name}.db", poolclass=QueuePool, pool_size=1, max_overflow=0
        )

    def use(self, name: str) -> None:
        with self.pinned(name) as engine, engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")

    def pinned(self, name: str, like: Engine | None = None):  # type: ignore[no-untyped-def]
        return self.engines.pinned(name, Placement(database=name), like or self.base)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path, 2)


def test_an_engine_is_kept_until_there_is_no_room(made: Made) -> None:
    for name in ("a", "b", "a", "b", "a"):
        made.use(name)
    assert made.created == ["a", "b"]
    assert made.engines.names() == ("b", "a")


def test_the_one_that_was_not_used_for_longest_makes_room(made: Made) -> None:
    with made.pinned("a") as first:
        first.connect().close()
    made.use("b")
    made.use("a")
    made.use("c")
    assert made.engines.names() == ("a", "c")
    made.use("b")
    assert made.engines.names() == ("c", "b")
    pool = first.pool
    assert isinstance(pool, QueuePool)
    # Its connections were closed.
    assert pool.checkedin() == 0


def test_one_in_use_is_never_disposed_of(made: Made) -> None:
    with ExitStack() as stack:
        with made.pinned("a") as engine:
            connection = stack.enter_context(engine.connect())
        made.use("b")
        made.use("c")
        assert made.engines.names() == ("a", "c")
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
        with made.pinned("c"), pytest.raises(PlacementUnavailableError, match="open_databases"):
            made.use("d")
    made.use("d")
    assert made.engines.names() == ("c", "d")


def test_many_threads_never_have_more_than_the_limit(tmp_path: Path) -> None:
    made = Made(tmp_path, 3)
    seen, lock = [], threading.Lock()

    def work(number: int) -> None:
        try:
            made.use(f"db{number % 7}")
        except PlacementUnavailableError:
            return
        with lock:
            seen.append(len(made.engines.names()))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(400)))
    assert seen
    assert max(seen) <= 3
    # Nothing is left pinned: each can be replaced.
    for number in range(20, 26):
        made.use(f"db{number}")
    assert len(made.engines.names()) == 3


def test_an_unfinished_database_is_refused_until_it_is_finished(made: Made) -> None:
    place = Placement(database="a", unfinished=True)
    with made.engines.pinned("a", place, made.base) as engine, engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {UNFINISHED} (id integer)")
    with pytest.raises(PlacementUnavailableError, match="being made or emptied"):
        made.use("a")
    with made.engines.pinned("a", place, made.base) as engine, engine.begin() as connection:
        connection.exec_driver_sql(f"DROP TABLE {UNFINISHED}")
    made.use("a")


def test_execution_options_are_those_of_the_engine_that_is_used(made: Made) -> None:
    like = made.base.execution_options(stream_results=True)
    with made.pinned("a", like) as first, made.pinned("a", like) as second:
        # A session knows its connections by the engine.
        assert first is second
        assert first.get_execution_options() == like.get_execution_options()
    with made.pinned("a") as plain:
        assert plain.get_execution_options() == {}
        assert plain.pool is first.pool


def test_all_can_be_disposed_of(made: Made) -> None:
    made.use("a")
    made.engines.dispose()
    assert made.engines.names() == ()
    made.use("a")
    assert made.created == ["a", "a"]


def test_one_that_cannot_be_disposed_of_leaves_its_room(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    with made.pinned("a") as engine:
        monkeypatch.setattr(engine, "dispose", None)
    made.use("b")
    with pytest.raises(TypeError):
        made.use("c")
    made.use("c")
    assert made.engines.names() == ("b", "c")
    made.use("d")
    assert made.engines.names() == ("c", "d")


def test_listeners_of_the_application_are_called_without_the_lock(made: Made) -> None:
    like = made.base.execution_options(stream_results=True)
    made.use("a")
    names = []

    def listen(engine: Engine, options: object) -> None:
        # Another thread needs the lock meanwhile; and this one is about to use the engine.
        names.append(in_thread(made.engines.names))

    def use() -> None:
        with made.pinned("a") as engine:
            event.listen(engine, "set_engine_execution_options", listen)
        with made.pinned("a", like) as first, made.pinned("a", like) as second:
            assert first is second

    in_thread(use)
    assert names == [("a",)]


def test_of_two_threads_that_need_the_same_options_both_get_one_engine(made: Made) -> None:
    like = made.base.execution_options(stream_results=True)
    faster: list[Engine | None] = []

    def listen(engine: Engine, options: object) -> None:
        if not faster:
            faster.append(None)
            with made.pinned("a", like) as found:
                faster.append(found)

    with made.pinned("a") as engine:
        event.listen(engine, "set_engine_execution_options", listen)

    def use() -> None:
        with made.pinned("a", like) as found:
            assert faster == [None, found]

    in_thread(use)


def test_a_finalizer_may_use_a_database_while_room_is_made(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    with made.pinned("a") as first, made.pinned("b"):
        pool = first.pool
    assert isinstance(pool, QueuePool)
    real = pool.checkedout

    def checkedout() -> int:
        # As the garbage collector could, while the pool is asked.
        monkeypatch.setattr(pool, "checkedout", real)
        made.use("a")
        return real()

    monkeypatch.setattr(pool, "checkedout", checkedout)
    in_thread(lambda: made.use("c"))
    assert made.engines.names() == ("b", "c")
