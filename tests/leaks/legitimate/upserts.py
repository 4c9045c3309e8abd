"""Upserts of the caller's own rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert
from sqlalchemy.dialects import mysql, postgresql, sqlite

from tests.leaks.catalogue import legitimate
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

NEW_TAGS = "SELECT slug, {key} FROM acct_tag WHERE slug LIKE 'own-new%' ORDER BY slug"


def holds(*slugs: str) -> dict[str, Any]:
    return {"then": (NEW_TAGS, [(slug, "{mine}") for slug in slugs])}


def upsert(hand: Hand, target: Any, rows: Any) -> Any:
    """Return an upsert of tags that changes the label."""
    if hand.database == "mariadb":
        statement: Any = mysql.insert(target)
        statement = statement if rows is None else statement.values(rows)
        return statement.on_duplicate_key_update(label=statement.inserted.label)
    statement = (sqlite if hand.database == "sqlite" else postgresql).insert(target)
    statement = statement if rows is None else statement.values(rows)
    return statement.on_conflict_do_update(
        index_elements=["slug"], set_={"label": statement.excluded.label}
    )


@legitimate("upsert: a new row", needs="fills", **holds("own-new"))
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(upsert(hand, m.Tag, {"slug": "own-new", "label": "own"}))


@legitimate(
    "upsert: an own row",
    then=("SELECT label FROM acct_tag WHERE id = 900", [("own later",)]),
    needs="fills",
)
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(upsert(hand, m.Tag, {"slug": "own-late", "label": "own later"}))


@legitimate(
    "upsert: several VALUES, new and own rows",
    then=(
        "SELECT label FROM acct_tag WHERE slug IN ('own-late', 'own-new') ORDER BY slug",
        [("own later",), ("own",)],
    ),
    needs="fills",
)
def _(hand: Hand, m: Models) -> None:
    rows = [{"slug": "own-late", "label": "own later"}, {"slug": "own-new", "label": "own"}]
    hand.session.execute(upsert(hand, m.Tag.__table__, rows))


@legitimate(
    "upsert: executemany, new and own rows",
    then=(
        "SELECT label FROM acct_tag WHERE slug IN ('own-late', 'own-new') ORDER BY slug",
        [("own later",), ("own",)],
    ),
    needs="fills",
)
def _(hand: Hand, m: Models) -> None:
    rows = [{"slug": "own-late", "label": "own later"}, {"slug": "own-new", "label": "own"}]
    hand.connection.execute(upsert(hand, m.Tag.__table__, None), rows)


@legitimate(
    "upsert: DO NOTHING", why_not={"mariadb": "no ON CONFLICT"}, needs="fills", **holds("own-new")
)
def _(hand: Hand, m: Models) -> None:
    dialect = sqlite if hand.database == "sqlite" else postgresql
    rows = [{"slug": "own-late", "label": "x"}, {"slug": "own-new", "label": "own"}]
    hand.session.execute(dialect.insert(m.Tag).values(rows).on_conflict_do_nothing())


@legitimate(
    "upsert: with a WHERE of the caller's",
    why_not={"mariadb": "no WHERE in ON DUPLICATE KEY UPDATE"},
    then=("SELECT label FROM acct_tag WHERE id = 900", [("own late",)]),
    needs="fills",
)
def _(hand: Hand, m: Models) -> None:
    dialect = sqlite if hand.database == "sqlite" else postgresql
    tag = m.Tag.__table__
    hand.session.execute(
        dialect.insert(tag)
        .values({"slug": "own-late", "label": "own x"})
        .on_conflict_do_update(
            index_elements=["slug"], set_={"label": "own x"}, where=tag.c.label == "own urgent"
        )
    )


@legitimate(
    "upsert: a composite key with the tenant",
    needs="keys fills",
    why_not={"mariadb": "the same by ON DUPLICATE KEY"},
    then=("SELECT percent FROM acct_rate WHERE code = 'std' ORDER BY percent", [(20,), (77019,)]),
)
def _(hand: Hand, m: Models) -> None:
    dialect = sqlite if hand.database == "sqlite" else postgresql
    hand.session.execute(
        dialect.insert(m.Rate)
        .values(code="std", percent=20, remark="own")
        .on_conflict_do_update(index_elements=[hand.key, "code"], set_={"percent": 20})
    )


@legitimate(
    "upsert: a shared table",
    why_not={"mariadb": "the same by ON DUPLICATE KEY"},
    then=("SELECT name FROM acct_currency WHERE code = 'EUR'", [("Ecu",)]),
)
def _(hand: Hand, m: Models) -> None:
    dialect = sqlite if hand.database == "sqlite" else postgresql
    hand.session.execute(
        dialect.insert(m.Currency)
        .values(code="EUR", name="Ecu")
        .on_conflict_do_update(index_elements=["code"], set_={"name": "Ecu"})
    )


@legitimate(
    "replace: rows of a shared table",
    only="sqlite",
    why="no INSERT OR REPLACE",
    then=("SELECT name FROM acct_currency WHERE code = 'EUR'", [("Ecu",)]),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(
        insert(m.Currency).prefix_with("OR REPLACE").values(code="EUR", name="Ecu")
    )
