"""A mover may die at any point: no row is lost, and none is there twice.

The mover is a process that kills itself, by SIGKILL, before one of its statements. Everything is
compared by the driver alone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.orm import Session

from tenantshield_mw import (
    ConfigurationError,
    PlacementUnavailableError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Placement
from tenantshield_mw.adapters.sqlalchemy.provisioning import moving
from tenantshield_mw.adapters.sqlalchemy.provisioning.following import Copy
from tenantshield_mw.adapters.sqlalchemy.provisioning.listing import Listing
from tenantshield_mw.adapters.sqlalchemy.provisioning.making import make
from tenantshield_mw.adapters.sqlalchemy.provisioning.moving import move, resume, undo

from .estates import TABLES, Estate, rows
from .models import Shelf

ACME = Placement(schema="acme")
AWAY = Placement(database="acme")
LASTING = ("INSERT", "UPDATE", "DELETE", "CREATE", "DROP")
WRITTEN = "the application has written"


@pytest.fixture
def estate(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> Estate:
    estate.here.run(
        "CREATE SCHEMA kept",
        *(f"CREATE TABLE kept.{each} AS SELECT * FROM public.{each}" for each in TABLES),
    )
    # It is made only once: test_making has its own failures.
    monkeypatch.setattr(moving, "make", lambda fleet, placement: None)
    return estate


def reset(estate: Estate, target: Placement) -> None:
    """Let all be as before the first move."""
    estate.here.run(
        "TRUNCATE public.estate_shelf, public.estate_lamp",
        *(f"INSERT INTO public.{each} SELECT * FROM kept.{each}" for each in TABLES),
        "UPDATE estate_tenant SET schema = NULL, database = NULL",
    )
    schema = target.schema or "public"
    estate.at(target).run(f"TRUNCATE {schema}.estate_shelf, {schema}.estate_lamp")
    marks = "SELECT relname FROM pg_class WHERE relname LIKE 'away\\_%' AND relkind = 'r'"
    for database in (estate.here, estate.at(target)):
        for (mark,) in database.read(marks):
            database.run(f"DROP TABLE tenantshield_moves.{mark}")
    estate.fleet.directory.invalidate("acme")
    # A process that is forked must not have its connections.
    Listing(estate.fleet).close()


def in_a_process(call: Callable[[], Any]) -> bool:
    """Call something in a process of its own, and return whether that was killed."""
    child = os.fork()
    if child == 0:
        try:
            call()
        except BaseException:
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status == signal.SIGKILL


def lasting(estate: Estate, call: Callable[[], Any], die_before: int | None = None) -> list[str]:
    """Move while the application changes rows, and return what is done that lasts: each commit of
    changes, each change without a transaction. The process is killed before one of them.
    """
    sent: list[str] = []
    changing: set[Connection] = set()
    copy = Copy.make

    def note(text: str) -> None:
        if len(sent) == die_before:
            os.kill(os.getpid(), signal.SIGKILL)
        sent.append(text)

    def execute(connection: Connection, cursor: Any, statement: str, *others: Any) -> None:
        if statement.startswith(LASTING):
            if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
                note(statement)
            else:
                changing.add(connection)

    def commit(connection: Connection) -> None:
        if connection in changing:
            changing.remove(connection)
            note("COMMIT")

    def make(self: Copy, *arguments: Any) -> None:
        copy(self, *arguments)
        estate.here.run(
            "INSERT INTO public.estate_shelf VALUES (9, 'acme', 'new')",
            "UPDATE public.estate_lamp SET shelf_id = 9 WHERE id = 1",
            "DELETE FROM public.estate_shelf WHERE id = 1",
        )
        note(WRITTEN)

    event.listen(Engine, "before_cursor_execute", execute)
    event.listen(Engine, "commit", commit)
    try:
        with mock.patch.object(Copy, "make", make):
            call()
    finally:
        event.remove(Engine, "before_cursor_execute", execute)
        event.remove(Engine, "commit", commit)
    return sent


@pytest.mark.parametrize("target", [ACME, AWAY], ids=["schema", "database"])
def test_a_mover_that_is_killed_anywhere_is_resumed_or_undone(
    estate: Estate, target: Placement
) -> None:
    make(estate.fleet, target)
    before = rows(estate, SHARED, target)

    def there() -> None:
        move(estate.fleet, "acme", target)

    # The first move makes the journal, too.
    lasting(estate, there)
    reset(estate, target)
    sent = lasting(estate, there)
    after = rows(estate, SHARED, target)
    assert after != before
    ended: set[str] = set()
    # Between two changes, all is as it was after the first. In the end, the mover lives.
    for point in range(len(sent) + 1):
        reset(estate, target)
        killed = in_a_process(lambda: lasting(estate, there, die_before=point))  # noqa: B023
        assert killed == (point < len(sent))
        # What the application does now is refused, or is at one place.
        _try_to_write_and_take_back(estate)
        seen = [*_seen_by_system(estate, SHARED), *_seen_by_system(estate, target)]
        assert len(seen) == len({*seen})
        # The other one at the other kind of place.
        act = (undo, resume)[(point + (target == AWAY)) % 2]
        ended.add(_recovered(estate, act, killed=killed))
        assert rows(estate, SHARED, target) == (after if point >= sent.index(WRITTEN) else before)
        estate.fleet.directory.invalidate("acme")
        _write_and_take_back(estate)
    assert ended == {"not begun", "moved", "undo", "resume", "past the switch"}


def _recovered(estate: Estate, act: Callable[..., Any], *, killed: bool) -> str:
    """Resume or undo a move, and return what has become of it."""
    said = _said_by(lambda: act(estate.fleet, "acme"))
    if said is None:
        return act.__name__
    if "complete the move with --resume" in said:
        resume(estate.fleet, "acme")
        return "past the switch"
    assert said == "no move of this tenant was interrupted"
    return "not begun" if killed else "moved"


def _said_by(call: Callable[[], Any]) -> str | None:
    try:
        call()
    except ConfigurationError as error:
        return str(error)
    return None


def _seen_by_system(estate: Estate, place: Placement) -> list[int]:
    """Return the keys that a system scope sees; none if it is refused."""
    try:
        with system_scope("a report", at=place), estate.engine.connect() as connection:
            return [*connection.scalars(select(Shelf.id))]
    except PlacementUnavailableError:
        return []


def _try_to_write_and_take_back(estate: Estate) -> None:
    try:
        _write_and_take_back(estate)
    except PlacementUnavailableError:
        estate.fleet.directory.invalidate("acme")


def _write_and_take_back(estate: Estate) -> None:
    with tenant_scope(estate.found("acme")), Session(estate.engine) as session:
        shelf = Shelf(id=999, name="mine")
        session.add(shelf)
        session.commit()
        session.delete(shelf)
        session.commit()
