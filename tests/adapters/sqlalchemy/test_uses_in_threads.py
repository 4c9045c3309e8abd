"""What threads that use one connection leave to each other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Dialect, Engine, event, select

from tenantshield_mw import ScopeMismatchError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import uses
from tenantshield_mw.adapters.sqlalchemy.execution.dialects import guarded_dialect
from tests.threads import in_thread

from .letters import LETTER, seed
from .watching import engine_for_threads

BODIES = select(LETTER.c.body)


sync_engine = engine_for_threads(seed)


def test_whoever_ends_last_gives_a_connection_its_own_dialect_back(sync_engine: Engine) -> None:
    own = sync_engine.dialect
    with sync_engine.connect() as connection, tenant_scope("acme"):
        connection.scalars(BODIES).all()
        assert connection.dialect is own
        guarded = guarded_dialect(own)
        ours = uses.begin_use(connection)
        uses.use_dialect(connection, ours, guarded)

        def begin_theirs() -> uses.Use:
            with tenant_scope("acme"):
                return uses.begin_use(connection)

        theirs = in_thread(begin_theirs)
        uses.use_dialect(connection, theirs, guarded)
        uses.end_use(connection, ours)
        assert connection.dialect is guarded
        uses.end_use(connection, theirs)
        assert connection.dialect is own


def begin_in_acme(connection: Connection, guarded: Dialect) -> uses.Use:
    with tenant_scope("acme"):
        use = uses.begin_use(connection)
        uses.use_dialect(connection, use, guarded)
        return use


def test_a_thread_does_not_begin_within_what_is_around_a_statement(sync_engine: Engine) -> None:
    own = sync_engine.dialect
    with sync_engine.connect() as connection, system_scope("to see all"):
        around = uses.begin_use(connection)
        uses.use_dialect(connection, around, own)
        ours = begin_in_acme(connection, guarded_dialect(own))
        with pytest.raises(ScopeMismatchError, match="in a system scope"):
            in_thread(partial(begin_in_acme, connection, guarded_dialect(own)))
        uses.end_use(connection, ours)
        assert connection.dialect is own
        uses.end_use(connection, around)


def test_a_statement_within_something_leaves_a_thread_its_guard(sync_engine: Engine) -> None:
    own, guarded = sync_engine.dialect, guarded_dialect(sync_engine.dialect)
    with sync_engine.connect() as connection, tenant_scope("acme"):
        # Such as a transaction that begins, which renders nothing itself.
        around = uses.begin_use(connection)
        ours = begin_in_acme(connection, guarded)
        theirs = in_thread(partial(begin_in_acme, connection, guarded))
        uses.end_use(connection, ours)
        assert connection.dialect is guarded
        uses.end_use(connection, theirs)
        uses.end_use(connection, around)
        assert connection.dialect is own


class Notes(dict[object, uses.Use]):
    """The uses of a connection; calls ``look`` when the last one has been taken away."""

    look: Callable[[], None] | None = None

    def __len__(self) -> int:
        found = super().__len__()
        if not found and self.look is not None:
            look, self.look = self.look, None
            look()
        return found


class TellingLock:
    """A lock that tells when a thread has to wait for it."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._lock = threading.RLock()
        self._tell = tell

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._tell()
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_a_thread_begins_while_another_one_gives_the_connection_back(
    sync_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, has_ended = threading.Event(), threading.Event()
    monkeypatch.setattr(uses, "_ENTERING", TellingLock(waits.set))
    found: list[Any] = []
    with sync_engine.connect() as connection:

        def theirs() -> None:
            with tenant_scope("globex"):
                found.extend(connection.scalars(BODIES))

        def before_execute(*_: Any) -> None:
            # Between the choice of a dialect and its use, if nothing has kept it from coming here.
            if threading.current_thread() is thread:
                waits.set()
                has_ended.wait(30)

        def begin_theirs() -> None:
            thread.start()
            waits.wait(30)

        thread = threading.Thread(target=theirs)
        event.listen(sync_engine, "before_execute", before_execute)
        with tenant_scope("acme"):
            connection.begin()
            notes = Notes()
            notes.look = begin_theirs
            monkeypatch.setitem(connection.__dict__, "_tenantshield_uses", notes)
            assert connection.scalars(BODIES).all() == ["ours"]
            has_ended.set()
        thread.join()
        assert found == ["top secret"]
