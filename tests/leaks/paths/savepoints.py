"""A savepoint that is undone brings back what a session held before it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm.exc import DetachedInstanceError, ObjectDeletedError, StaleDataError

from tests.leaks.catalogue import IN_MEMORY, NOTHING, path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

GONE = (ObjectDeletedError, DetachedInstanceError, InvalidRequestError, StaleDataError)
OWN: Final[dict[str, Any]] = {"tenant": "own", "needs": "ambient", "errors": GONE}

Undo = Callable[[Hand, Any], None]


def by_hand(hand: Hand, gone: Any) -> None:
    nested = hand.session.begin_nested()
    hand.session.delete(gone)
    hand.session.flush()
    with hand.scope(hand.mine):
        nested.rollback()


def by_an_exception(hand: Hand, gone: Any) -> None:
    with suppress(ZeroDivisionError), hand.session.begin_nested():
        hand.session.delete(gone)
        hand.session.flush()
        with hand.scope(hand.mine):
            raise ZeroDivisionError


def from_within(hand: Hand, gone: Any) -> None:
    outer = hand.session.begin_nested()
    hand.session.delete(gone)
    hand.session.flush()
    with hand.scope(hand.mine):
        hand.session.begin_nested().rollback()
        outer.rollback()


UNDO: Final[dict[str, Undo]] = {
    "by hand": by_hand,
    "by an exception": by_an_exception,
    "from within another": from_within,
}


def enter(name: str, undo: Undo) -> None:
    def deleted(hand: Hand, m: Models) -> Any:
        with hand.scope(hand.theirs):
            kept = hand.session.get(m.Posting, 401)
            undo(hand, kept)
        return kept

    @path(f"savepoint: undone {name}, get()", sees=NOTHING, beyond_policies=IN_MEMORY, **OWN)
    def _(hand: Hand, m: Models) -> Any:
        kept = deleted(hand, m)
        with hand.scope(hand.mine):
            found = hand.session.get(m.Posting, 401)
            return [None if found is None else found.id, kept is None]

    @path(
        f"savepoint: undone {name}, the session's objects",
        sees=NOTHING,
        beyond_policies=IN_MEMORY,
        **OWN,
    )
    def _(hand: Hand, m: Models) -> Any:
        kept = deleted(hand, m)
        with hand.scope(hand.mine):
            hand.session.scalars(select(m.Currency)).all()
            return [[each for each in hand.session if each is kept], kept is None]

    @path(f"savepoint: undone {name}, a change of what came back", "write", **OWN)
    def _(hand: Hand, m: Models) -> Any:
        kept = deleted(hand, m)
        with hand.scope(hand.mine):
            hand.session.scalars(select(m.Currency)).all()
            kept.text = "x"
            hand.session.commit()


for each, undone in UNDO.items():
    enter(each, undone)
