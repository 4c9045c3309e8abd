"""SQLite's and MariaDB's other names of a primary key, and a table that is dropped."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, Integer, MetaData, Table, column, insert, table, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import DropTable

from tests.leaks.catalogue import path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

from .set_keys import quiet

ROWID: Final[dict[str, Any]] = {"only": "sqlite", "why": "no rowid"}
TIED: Final[dict[str, Any]] = {**ROWID, "needs": "ties"}


def enter(name: str) -> None:
    """Enter what writes the key of a card payment by its name ``name``."""

    def bare() -> Any:
        return table("acct_card_payment", column("id"), column(name), column("card"))

    @path(f"row id: update of {name}, a tie", "write", **TIED)
    def _(hand: Hand, m: Models) -> Any:
        target = bare()
        hand.connection.execute(update(target).where(target.c.id == 2).values({name: 401}))

    @path(f"row id: insert of {name}, a tie", "write", **TIED)
    def _(hand: Hand, m: Models) -> Any:
        hand.connection.execute(insert(bare()).values({name: 401, "card": "own"}))

    @path(f"row id: {name} in an upsert's SET, a tie", "write", **TIED)
    def _(hand: Hand, m: Models) -> Any:
        made = sqlite.insert(m.CardPayment.__table__).values(id=2, card="own")
        with quiet():
            hand.connection.execute(
                made.on_conflict_do_update(index_elements=["id"], set_={name: 401})
            )


for each in ("rowid", "oid", "_rowid_", "ROWID"):
    enter(each)


@path("row id: a system column of a Table, a tie", "write", **TIED)
def _(hand: Hand, m: Models) -> Any:
    target = Table(
        "acct_card_payment",
        MetaData(),
        Column("id", Integer),
        Column("rowid", Integer, system=True),
    )
    hand.connection.execute(update(target).where(target.c.id == 2).values({target.c.rowid: 401}))


@path("row id: update of rowid, in order, a tie", "write", **TIED)
def _(hand: Hand, m: Models) -> Any:
    target = table("acct_card_payment", column("id"), column("oid"))
    hand.connection.execute(
        update(target).where(target.c.id == 2).ordered_values((target.c.oid, 401))
    )


@path("row id: an upsert that finds the other tenant's row by its rowid", "write", **ROWID)
def _(hand: Hand, m: Models) -> Any:
    target: Any = table(
        "acct_tag",
        *(column(each) for each in ("rowid", "slug", "label", hand.key)),
    )
    made = sqlite.insert(target).values(
        {"rowid": 401, "slug": "own-1", "label": "own", hand.key: hand.mine}
    )
    hand.connection.execute(
        made.on_conflict_do_update(index_elements=[text("id")], set_={"label": "own"})
    )


@path(
    "row id: update of MariaDB's _rowid",
    "write",
    only="mariadb",
    why="no _rowid",
    needs="ties",
)
def _(hand: Hand, m: Models) -> Any:
    target = table("acct_card_payment", column("id"), column("_rowid"))
    hand.connection.execute(update(target).where(target.c.id == 2).values(_rowid=401))


# A table that is dropped, whose rows tenants' rows follow.

DROPPED: Final[dict[str, Any]] = {
    "only": "sqlite",
    "why": "a table that is referred to is not dropped",
}


@path("drop: a shared table, as a construct", "write", **DROPPED)
def _(hand: Hand, m: Models) -> Any:
    with hand.enforcing() as connection:
        connection.execute(DropTable(m.Unit.__table__))


@path("drop: a shared table, by Table.drop()", "write", **DROPPED)
def _(hand: Hand, m: Models) -> Any:
    with hand.enforcing() as connection:
        m.Unit.__table__.drop(connection)


@path("drop: a shared table, by drop_all()", "write", **DROPPED)
def _(hand: Hand, m: Models) -> Any:
    with hand.enforcing() as connection:
        m.metadata.drop_all(connection, tables=[m.Unit.__table__])


@path("drop: a copy of a shared table", "write", **DROPPED)
def _(hand: Hand, m: Models) -> Any:
    with hand.enforcing() as connection:
        Table("acct_unit", MetaData(), Column("code")).drop(connection)


@path("drop: a shared table, as text", "write", **DROPPED)
def _(hand: Hand, m: Models) -> Any:
    with hand.enforcing() as connection:
        connection.execute(text("DROP TABLE acct_unit"))


@path("drop: a shared table, as driver SQL in another case", "write", **DROPPED)
def _(hand: Hand, m: Models) -> Any:
    with hand.enforcing() as connection:
        connection.exec_driver_sql('drop table if exists main."ACCT_UNIT"')


@path(
    "truncate: a shared table, with CASCADE",
    "write",
    only="postgresql",
    why="no TRUNCATE ... CASCADE",
    why_not={"policies": "the role of the application does not own the tables"},
)
def _(hand: Hand, m: Models) -> Any:
    hand.connection.execute(text("TRUNCATE acct_unit CASCADE"))
