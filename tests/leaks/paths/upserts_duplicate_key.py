"""Upserts of MariaDB: the row that is in the way may be another tenant's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import literal, select
from sqlalchemy.dialects import mysql

from tests.leaks.catalogue import NOTHING, path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

from .upserts import THEIRS

ON_DUPLICATE: dict[str, Any] = {"only": "mariadb", "why": "no ON DUPLICATE KEY UPDATE"}


def duplicate(name: str, kind: Any = "write", **options: Any) -> Callable[[Any], Any]:
    return path(f"upsert: ON DUPLICATE KEY {name}", kind, **{**ON_DUPLICATE, **options})


@duplicate("UPDATE, by a unique column")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        mysql.insert(m.Tag)
        .values({**THEIRS, hand.key: hand.mine})
        .on_duplicate_key_update(label="x")
    )


@duplicate("UPDATE, by the primary key")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        mysql.insert(m.Tag)
        .values({"id": 401, "slug": "own-1", "label": "x", hand.key: hand.mine})
        .on_duplicate_key_update(label="x")
    )


@duplicate("UPDATE with inserted")
def _(hand: Hand, m: Models) -> Any:
    statement = mysql.insert(m.Tag.__table__).values({**THEIRS, hand.key: hand.mine})
    hand.connection.execute(statement.on_duplicate_key_update(label=statement.inserted.label))


@duplicate("UPDATE that sets the tenant column")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        mysql.insert(m.Tag)
        .values({"slug": "own-late", "label": "x", hand.key: hand.mine})
        .on_duplicate_key_update({hand.key: hand.theirs})
    )


@duplicate("UPDATE that sets the tenant column to the caller's, which takes the row over")
def _(hand: Hand, m: Models) -> Any:
    statement = mysql.insert(m.Tag).values({**THEIRS, hand.key: hand.mine})
    hand.session.execute(
        statement.on_duplicate_key_update({hand.key: statement.inserted[hand.key]})
    )


@duplicate("UPDATE, several VALUES")
def _(hand: Hand, m: Models) -> Any:
    rows = [
        {"slug": "own-1", "label": "own", hand.key: hand.mine},
        {**THEIRS, hand.key: hand.mine},
    ]
    hand.session.execute(
        mysql.insert(m.Tag.__table__).values(rows).on_duplicate_key_update(label="x")
    )


@duplicate("UPDATE, executemany")
def _(hand: Hand, m: Models) -> Any:
    statement = mysql.insert(m.Tag.__table__)
    hand.connection.execute(
        statement.on_duplicate_key_update(label=statement.inserted.label),
        [
            {"slug": "own-1", "label": "own", hand.key: hand.mine},
            {**THEIRS, hand.key: hand.mine},
        ],
    )


@duplicate("UPDATE of several columns, in an order")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        mysql.insert(m.Tag)
        .values({**THEIRS, hand.key: hand.mine})
        .on_duplicate_key_update([("label", "x"), ("slug", "x")])
    )


@duplicate("UPDATE from a SELECT")
def _(hand: Hand, m: Models) -> Any:
    source = select(literal("bravo-urgent"), literal("x"), literal(hand.mine))
    hand.session.execute(
        mysql.insert(m.Tag.__table__)
        .from_select(["slug", "label", hand.key], source)
        .on_duplicate_key_update(label="x")
    )


@duplicate("UPDATE of a tied table", needs="ties")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        mysql.insert(m.InvoiceLine)
        .values(id=401, invoice_id=1, text="x", quantity=1)
        .on_duplicate_key_update(text="x")
    )


@duplicate("UPDATE with an expression over the row in the way")
def _(hand: Hand, m: Models) -> Any:
    tag = m.Tag.__table__
    hand.session.execute(
        mysql.insert(tag)
        .values({**THEIRS, hand.key: hand.mine})
        .on_duplicate_key_update(label=tag.c.label + "x")
    )


@duplicate("UPDATE that sets the unique column")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        mysql.insert(m.Tag)
        .values({**THEIRS, hand.key: hand.mine})
        .on_duplicate_key_update(slug="own-taken")
    )


def in_the_way(hand: Hand, target: Any) -> Any:
    return (
        mysql.insert(target)
        .values({**THEIRS, "slug": "bravo-urgent", hand.key: hand.mine})
        .on_duplicate_key_update(slug="bravo-urgent")
    )


@duplicate("UPDATE with RETURNING, what it gives back", "read", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    tag = m.Tag.__table__
    found = hand.session.execute(in_the_way(hand, tag).returning(tag.c.label)).all()
    hand.session.rollback()
    return found


@duplicate("UPDATE with RETURNING of the entity", "read", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    found = [tag.label for tag in hand.session.scalars(in_the_way(hand, m.Tag).returning(m.Tag))]
    hand.session.rollback()
    return found


@duplicate("UPDATE of a tied table with RETURNING", "read", sees=NOTHING, needs="ties")
def _(hand: Hand, m: Models) -> Any:
    line = m.InvoiceLine.__table__
    found = hand.session.execute(
        mysql.insert(line)
        .values(id=401, invoice_id=1, text="x", quantity=1)
        .on_duplicate_key_update(id=401)
        .returning(line.c.text)
    ).all()
    hand.session.rollback()
    return found
