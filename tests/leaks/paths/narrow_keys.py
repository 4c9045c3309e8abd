"""Foreign keys that the database writes in another form than they were given in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import insert, literal, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from tests.leaks.catalogue import path, writes
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

SHORT: Final[dict[str, Any]] = {
    "only": "postgresql",
    "why": "it takes no text that is too long, or compares without regard to spaces",
}
ZERO: Final[dict[str, Any]] = {
    "only": "mariadb",
    "why": "a 0 stays a 0",
    # The key exists, if the other tenant's row has it.
    "errors": (DBAPIError,),
}
OWN: Final = "red "
"""One's own key, without its last character the other tenant's."""


writes(
    "narrow key: a value in INSERT",
    lambda m: insert(m.Paint).values(**{m.key: m.mine}, shade_code=OWN, label="own"),
    **SHORT,
)
writes("narrow key: a value in UPDATE", lambda m: update(m.Paint).values(shade_code=OWN), **SHORT)
writes(
    "narrow key: a subquery in UPDATE",
    lambda m: update(m.Paint).values(
        shade_code=select(m.Shade.code).where(m.Shade.label == "own red").scalar_subquery()
    ),
    **SHORT,
)
writes(
    "narrow key: INSERT ... SELECT",
    lambda m: insert(m.Paint.__table__).from_select(
        [m.key, "label", "shade_code"],
        select(literal(m.mine), literal("own"), m.Shade.code).where(m.Shade.label == "own red"),
    ),
    **SHORT,
)
writes(
    "narrow key: ON CONFLICT DO UPDATE",
    lambda m: (
        postgresql.insert(m.Paint)
        .values(**{m.key: m.mine}, id=1, label="own")
        .on_conflict_do_update(index_elements=["id"], set_={"shade_code": OWN})
    ),
    **SHORT,
)


@path("narrow key: executemany", "write", **SHORT)
def _(hand: Hand, m: Models) -> Any:
    rows = [{hand.key: hand.mine, "shade_code": code, "label": "own"} for code in ("tan", OWN)]
    hand.connection.execute(insert(m.Paint), rows)


@path("narrow key: a flush", "write", **SHORT)
def _(hand: Hand, m: Models) -> Any:
    hand.session.add(m.Paint(**{hand.key: hand.mine}, shade_code=OWN, label="own"))
    hand.session.flush()
    hand.session.commit()


# A 0 that becomes the next number.


def node(hand: Hand, number: int, parent: int | None) -> dict[str, Any]:
    code = f"own-{number}"
    return {hand.key: hand.mine, "id": number, "code": code, "parent_id": parent}


def zero(name: str, write: Callable[[Hand, Models, list[dict[str, Any]]], Any]) -> None:
    def run(hand: Hand, m: Models) -> Any:
        there = "UPDATE acct_node SET id = 0 WHERE id = 401"
        with hand.changed(there, "UPDATE acct_node SET id = 401 WHERE id = 0"):
            write(hand, m, [node(hand, 0, None), node(hand, 7, 0)])
            hand.session.commit()
            parents = "SELECT p.code FROM acct_node n JOIN acct_node p ON p.id = n.parent_id"
            return [hand.stored(f"{parents} WHERE n.id = 7"), "own end"]

    run.__module__ = __name__
    path(f"row 0: {name}", **ZERO)(run)


zero("executemany", lambda hand, m, rows: hand.session.execute(insert(m.Node), rows))
zero(
    "VALUES of several rows",
    lambda hand, m, rows: hand.session.execute(insert(m.Node.__table__).values(rows)),
)
zero(
    "one after the other",
    lambda hand, m, rows: [hand.session.execute(insert(m.Node.__table__), row) for row in rows],
)
zero("a flush", lambda hand, m, rows: hand.session.add_all([m.Node(**row) for row in rows]))
