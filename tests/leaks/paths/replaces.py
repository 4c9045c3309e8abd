"""``REPLACE`` in any spelling: it deletes the row that is in the way."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.dialects import sqlite

from tests.leaks.catalogue import path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

IN_THE_WAY: dict[str, Any] = {"id": 401, "account_id": 1, "text": "x"}
REPLACES: dict[str, Any] = {"why_not": {"postgresql": "no REPLACE"}}


@path("replace: prefix_with OR REPLACE", "write", only="sqlite", why="no INSERT OR REPLACE")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        insert(m.Posting).prefix_with("OR REPLACE").values({**IN_THE_WAY, hand.key: hand.mine})
    )


@path(
    "replace: prefix_with, in another spelling", "write", only="sqlite", why="no INSERT OR REPLACE"
)
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        insert(m.Posting.__table__)
        .prefix_with("or/**/replace")
        .values({**IN_THE_WAY, hand.key: hand.mine})
    )


@path("replace: prefix_with, in two parts", "write", only="sqlite", why="no INSERT OR REPLACE")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        insert(m.Posting.__table__)
        .prefix_with("OR")
        .prefix_with("-- \n REPLACE")
        .values({**IN_THE_WAY, hand.key: hand.mine})
    )


@path(
    "replace: prefix_with OR REPLACE, of a tied table",
    "write",
    only="sqlite",
    why="no INSERT OR REPLACE",
    needs="ties",
)
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        insert(m.LineNote).prefix_with("OR REPLACE").values(id=401, line_id=1, text="x")
    )


@path("replace: prefix_with OR REPLACE, many", "write", only="sqlite", why="no INSERT OR REPLACE")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        insert(m.Posting).prefix_with("OR REPLACE"), [{**IN_THE_WAY, hand.key: hand.mine}]
    )


@path(
    "replace: prefix_with of the dialect's own insert",
    "write",
    only="sqlite",
    why="no INSERT OR REPLACE",
)
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        sqlite.insert(m.Posting)
        .prefix_with("OR", dialect="sqlite")
        .prefix_with("REPLACE", dialect="sqlite")
        .values({**IN_THE_WAY, hand.key: hand.mine})
    )


@path("replace: UPDATE OR REPLACE", "write", only="sqlite", why="no UPDATE OR REPLACE")
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy import update

    posting = m.Posting.__table__
    hand.session.execute(
        update(posting).prefix_with("OR REPLACE").where(posting.c.id == 1).values(id=401)
    )


@path("replace: REPLACE INTO as text", "write", **REPLACES)
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(
        text(
            f"REPLACE INTO acct_posting (id, {hand.key}, account_id, text) "
            f"VALUES (401, '{hand.mine}', 1, 'x')"
        )
    )


@path("replace: REPLACE INTO as driver SQL", "write", **REPLACES)
def _(hand: Hand, m: Models) -> Any:
    hand.connection.exec_driver_sql(
        f"REPLACE INTO acct_posting (id, {hand.key}, account_id, text) "
        f"VALUES (401, '{hand.mine}', 1, 'x')"
    )


@path("replace: a compiler extension of the application's", "write", **REPLACES)
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.ext.compiler import compiles
    from sqlalchemy.sql.expression import Insert

    class Replace(Insert):
        inherit_cache = False

    @compiles(Replace)
    def _compile(element: Any, compiler: Any, **kw: Any) -> str:
        rendered: str = compiler.visit_insert(element, **kw)
        return rendered.replace("INSERT INTO", "REPLACE INTO")

    hand.session.execute(Replace(m.Posting.__table__).values({**IN_THE_WAY, hand.key: hand.mine}))
