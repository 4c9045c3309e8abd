"""Rows of one statement that refer to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import insert
from sqlalchemy.dialects import mysql, postgresql, sqlite

from tests.leaks.catalogue import legitimate
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

Links = list[tuple[int, int | None]]

TREES: Final[Mapping[str, Links]] = {
    "a parent and a child": [(950, None), (951, 950)],
    "a chain": [(950, None), (951, 950), (952, 951), (953, 952)],
    "a row its own parent": [(950, 950)],
    "branches, and a row its own parent": [(950, 1), (951, 951), (952, 950), (953, 950)],
    "a hundred rows": [(950, None), *((each, each - 1) for each in range(951, 1000))],
}


def nodes(m: Models, links: Links) -> list[dict[str, Any]]:
    return [
        {m.key: m.mine, "id": number, "parent_id": parent, "code": f"own-{number}"}
        for number, parent in links
    ]


def enter(name: str, links: Links) -> None:
    options: dict[str, Any] = {
        "then": ("SELECT id, parent_id FROM acct_node WHERE id >= 950 ORDER BY id", links)
    }

    @legitimate(f"tree: {name}, several VALUES", **options)
    def _(hand: Hand, m: Models) -> None:
        hand.connection.execute(insert(m.Node.__table__).values(nodes(m, links)))

    @legitimate(f"tree: {name}, executemany", **options)
    def _(hand: Hand, m: Models) -> None:
        hand.connection.execute(insert(m.Node.__table__), nodes(m, links))

    @legitimate(f"tree: {name}, ORM bulk", **options)
    def _(hand: Hand, m: Models) -> None:
        hand.session.execute(insert(m.Node), nodes(m, links))


for each, given in TREES.items():
    enter(each, given)


@legitimate(
    "tree: a parent and a child, ORM bulk with RETURNING",
    then=(
        "SELECT id, parent_id FROM acct_node WHERE id >= 950 ORDER BY id",
        [(950, None), (951, 950)],
    ),
)
def _(hand: Hand, m: Models) -> None:
    statement = insert(m.Node).returning(m.Node.id, sort_by_parameter_order=True)
    rows = nodes(m, [(950, None), (951, 950)])
    assert hand.session.scalars(statement, rows).all() == [950, 951]


@legitimate(
    "tree: a parent and a child, in an upsert",
    then=(
        "SELECT id, parent_id FROM acct_node WHERE id >= 950 ORDER BY id",
        [(950, None), (951, 950)],
    ),
)
def _(hand: Hand, m: Models) -> None:
    dialects: dict[str, Any] = {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mysql}
    made = dialects[hand.database].insert(m.Node.__table__)
    rows = nodes(m, [(950, None), (951, 1)])
    if hand.database == "mariadb":
        statement = made.on_duplicate_key_update(code=made.inserted.code)
    else:
        statement = made.on_conflict_do_update(
            index_elements=["id"], set_={"code": made.excluded.code}
        )
    hand.connection.execute(statement, rows)
    node = m.Node.__table__
    hand.connection.execute(node.update().where(node.c.id == 951).values(parent_id=950))


@legitimate(
    "tree: flush of a chain of objects",
    then=(
        """
        SELECT c.code, p.code FROM acct_node c JOIN acct_node p ON p.id = c.parent_id
        WHERE c.code LIKE 'own-new%' ORDER BY c.code
        """,
        [("own-new-b", "own-new-a"), ("own-new-c", "own-new-b")],
    ),
)
def _(hand: Hand, m: Models) -> None:
    root = m.Node(code="own-new-a")
    hand.session.add(m.Node(code="own-new-c", parent=m.Node(code="own-new-b", parent=root)))
