"""Upserts: the row that is in the way may be another tenant's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import literal, select
from sqlalchemy.dialects import postgresql, sqlite

from tests.leaks.catalogue import NOTHING, path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

THEIRS: dict[str, Any] = {"slug": "bravo-urgent", "label": "x"}
"""Collides with the other tenant's tag, whose slug is unique across tenants."""

ON_CONFLICT: dict[str, Any] = {"only": "sqlite postgresql", "why": "no ON CONFLICT"}


def upsert(hand: Hand, target: Any) -> Any:
    """Return the dialect's insert, with ON CONFLICT."""
    return (sqlite if hand.database == "sqlite" else postgresql).insert(target)


def conflict(name: str, kind: Any = "write", **options: Any) -> Callable[[Any], Any]:
    return path(f"upsert: ON CONFLICT {name}", kind, **{**ON_CONFLICT, **options})


@conflict("DO UPDATE, by a unique column")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        upsert(hand, m.Tag)
        .values({**THEIRS, hand.key: hand.mine})
        .on_conflict_do_update(index_elements=["slug"], set_={"label": "x"})
    )


@conflict("DO UPDATE, by the primary key")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        upsert(hand, m.Tag)
        .values({"id": 401, "slug": "own-1", "label": "x", hand.key: hand.mine})
        .on_conflict_do_update(index_elements=["id"], set_={"label": "x"})
    )


@conflict("DO UPDATE, Core")
def _(hand: Hand, m: Models) -> Any:
    hand.connection.execute(
        upsert(hand, m.Tag.__table__)
        .values({**THEIRS, hand.key: hand.mine})
        .on_conflict_do_update(index_elements=[m.Tag.__table__.c.slug], set_={"label": "x"})
    )


@conflict("DO UPDATE with excluded")
def _(hand: Hand, m: Models) -> Any:
    statement = upsert(hand, m.Tag).values({**THEIRS, hand.key: hand.mine})
    hand.session.execute(
        statement.on_conflict_do_update(
            index_elements=["slug"], set_={"label": statement.excluded.label}
        )
    )


@conflict("DO UPDATE that sets the tenant column")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        upsert(hand, m.Tag)
        .values({"slug": "own-late", "label": "x", hand.key: hand.mine})
        .on_conflict_do_update(index_elements=["slug"], set_={hand.key: hand.theirs})
    )


@conflict("DO UPDATE that sets the tenant column to the caller's, which takes the row over")
def _(hand: Hand, m: Models) -> Any:
    statement = upsert(hand, m.Tag).values({**THEIRS, hand.key: hand.mine})
    hand.session.execute(
        statement.on_conflict_do_update(
            index_elements=["slug"], set_={hand.key: statement.excluded[hand.key]}
        )
    )


@conflict("DO UPDATE with a WHERE of the caller's")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        upsert(hand, m.Tag)
        .values({**THEIRS, hand.key: hand.mine})
        .on_conflict_do_update(
            index_elements=["slug"], set_={"label": "x"}, where=m.Tag.__table__.c.id > 0
        )
    )


@conflict("DO UPDATE with a WHERE of OR")
def _(hand: Hand, m: Models) -> Any:
    tag = m.Tag.__table__
    hand.session.execute(
        upsert(hand, tag)
        .values({**THEIRS, hand.key: hand.mine})
        .on_conflict_do_update(
            index_elements=["slug"], set_={"label": "x"}, where=(tag.c.id < 0) | (tag.c.id > 0)
        )
    )


@conflict("DO UPDATE, several VALUES")
def _(hand: Hand, m: Models) -> Any:
    rows = [
        {"slug": "own-1", "label": "own", hand.key: hand.mine},
        {**THEIRS, hand.key: hand.mine},
    ]
    hand.session.execute(
        upsert(hand, m.Tag.__table__)
        .values(rows)
        .on_conflict_do_update(index_elements=["slug"], set_={"label": "x"})
    )


@conflict("DO UPDATE, executemany")
def _(hand: Hand, m: Models) -> Any:
    statement = upsert(hand, m.Tag.__table__)
    hand.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["slug"], set_={"label": statement.excluded.label}
        ),
        [
            {"slug": "own-1", "label": "own", hand.key: hand.mine},
            {**THEIRS, hand.key: hand.mine},
        ],
    )


@conflict("DO UPDATE, ORM bulk")
def _(hand: Hand, m: Models) -> Any:
    statement = upsert(hand, m.Tag)
    hand.session.execute(
        statement.on_conflict_do_update(
            index_elements=["slug"], set_={"label": statement.excluded.label}
        ),
        [
            {"slug": "own-1", "label": "own", hand.key: hand.mine},
            {**THEIRS, hand.key: hand.mine},
        ],
    )


@conflict("DO UPDATE with RETURNING")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        upsert(hand, m.Tag)
        .values({**THEIRS, hand.key: hand.mine})
        .on_conflict_do_update(index_elements=["slug"], set_={"label": "x"})
        .returning(m.Tag.id)
    ).all()


@conflict("DO UPDATE with RETURNING, what it gives back", "read", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    found = hand.session.execute(
        upsert(hand, m.Tag)
        .values({"slug": "bravo-urgent", "label": "y", hand.key: hand.mine})
        .on_conflict_do_update(index_elements=["slug"], set_={"slug": "bravo-urgent"})
        .returning(m.Tag.label)
    ).all()
    hand.session.rollback()
    return found


@conflict("DO UPDATE from a SELECT")
def _(hand: Hand, m: Models) -> Any:
    source = select(literal("bravo-urgent"), literal("x"), literal(hand.mine)).where(
        literal(1) == literal(1)
    )
    hand.session.execute(
        upsert(hand, m.Tag.__table__)
        .from_select(["slug", "label", hand.key], source)
        .on_conflict_do_update(index_elements=["slug"], set_={"label": "x"})
    )


@conflict("DO UPDATE of a tied table", needs="ties")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        upsert(hand, m.InvoiceLine)
        .values(id=401, invoice_id=1, text="x", quantity=1)
        .on_conflict_do_update(index_elements=["id"], set_={"text": "x"})
    )


@conflict("DO UPDATE of a joined-inheritance child's Table", needs="ties")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        upsert(hand, m.CardPayment.__table__)
        .values(id=402, card="x")
        .on_conflict_do_update(index_elements=["id"], set_={"card": "x"})
    )


@conflict("DO UPDATE of a Table that has no model", needs="core")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        upsert(hand, m.note)
        .values({"id": 401, "body": "x", hand.key: hand.mine})
        .on_conflict_do_update(index_elements=["id"], set_={"body": "x"})
    )


@conflict("DO UPDATE of a table in another schema")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        upsert(hand, m.Record)
        .values({"id": 401, "body": "x", hand.key: hand.mine})
        .on_conflict_do_update(index_elements=["id"], set_={"body": "x"})
    )


@conflict("DO UPDATE whose row is another tenant's")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        upsert(hand, m.Tag)
        .values({"slug": "bravo-new", "label": "x", hand.key: hand.theirs})
        .on_conflict_do_update(index_elements=["slug"], set_={"label": "x"})
    )


@conflict("DO UPDATE with a subquery on everything in its SET")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        upsert(hand, m.Tag)
        .values({**THEIRS, hand.key: hand.mine})
        .on_conflict_do_update(
            index_elements=["slug"],
            set_={"label": select(m.Customer.name).limit(1).scalar_subquery()},
        )
    )


@conflict("DO NOTHING whose row is another tenant's")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        upsert(hand, m.Tag)
        .values({"slug": "own-1", "label": "x", hand.key: hand.theirs})
        .on_conflict_do_nothing()
    )


@conflict("on a CONSTRAINT", only="postgresql", why="no ON CONFLICT ON CONSTRAINT")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        postgresql.insert(m.Tag)
        .values({**THEIRS, hand.key: hand.mine})
        .on_conflict_do_update(constraint="acct_tag_slug_key", set_={"label": "x"})
    )


@conflict("in a CTE", only="postgresql", why="no CTE that changes data")
def _(hand: Hand, m: Models) -> Any:
    tag = m.Tag.__table__
    statement = (
        postgresql.insert(tag)
        .values({**THEIRS, hand.key: hand.mine})
        .on_conflict_do_update(index_elements=["slug"], set_={"label": "x"})
        .returning(tag.c.id)
        .cte("c")
    )
    hand.session.execute(select(statement.c.id)).all()
