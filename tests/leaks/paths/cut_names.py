"""Names of columns that PostgreSQL cuts: what is written then is another column."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, Integer, MetaData, String, Table, column, insert, table, update
from sqlalchemy.dialects import postgresql

from tests.leaks.catalogue import path, writes
from tests.leaks.effects import LONG_KEY, LONG_TENANT
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

CUT: Final[dict[str, Any]] = {"only": "postgresql", "why": "PostgreSQL alone cuts names"}
TENANT: Final = f"{LONG_TENANT}y"
KEY: Final = f"{LONG_KEY}y"


def scroll(*names: str) -> Any:
    return table(
        "acct_scroll", column("id"), column("body"), column(LONG_TENANT), *map(column, names)
    )


writes(
    "cut name: the tenant in UPDATE",
    lambda m: update(scroll(TENANT)).where(column("id") == 1).values({TENANT: "bravo"}),
    **CUT,
)
writes(
    "cut name: the tenant in UPDATE, in order",
    lambda m: update(scroll(TENANT)).ordered_values(("body", "own"), (TENANT, "bravo")),
    **CUT,
)
writes(
    "cut name: the tenant in UPDATE, of a Table written by hand",
    lambda m: update(
        Table("acct_scroll", MetaData(), Column("id", Integer), Column(TENANT, String(40)))
    ).values({TENANT: "bravo"}),
    **CUT,
)
writes(
    "cut name: the tenant in INSERT",
    lambda m: insert(table("acct_scroll", column("body"), column(TENANT))).values(
        {"body": "own", TENANT: "bravo"}
    ),
    **CUT,
)
writes(
    "cut name: the tenant in INSERT, with a character of several bytes at its end",
    lambda m: insert(table("acct_scroll", column("body"), column(f"{LONG_TENANT}\u00e9"))).values(
        {"body": "own", f"{LONG_TENANT}\u00e9": "bravo"}
    ),
    **CUT,
)
writes(
    "cut name: a foreign key in UPDATE",
    lambda m: update(scroll(KEY)).where(column("id") == 1).values({KEY: 401}),
    **CUT,
)
writes(
    "cut name: a foreign key in INSERT",
    lambda m: insert(scroll(KEY)).values({"body": "own", LONG_TENANT: "alfa", KEY: 401}),
    **CUT,
)


def upsert(name: str, value: Any) -> Any:
    def statement(m: Models) -> Any:
        row = postgresql.insert(scroll(name)).values({"id": 1, LONG_TENANT: "alfa"})
        return row.on_conflict_do_update(index_elements=["id"], set_={name: value})

    return statement


writes("cut name: the tenant in ON CONFLICT DO UPDATE", upsert(TENANT, "bravo"), **CUT)
writes("cut name: a foreign key in ON CONFLICT DO UPDATE", upsert(KEY, 401), **CUT)


@path("cut name: a foreign key, by executemany", "write", **CUT)
def _(hand: Hand, m: Models) -> Any:
    rows = [{"body": "own", LONG_TENANT: "alfa", KEY: key} for key in (1, 401)]
    hand.connection.execute(insert(scroll(KEY)), rows)
