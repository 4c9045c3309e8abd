"""Tables that belong to a tenant through many others."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, insert, select, update

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, DatabaseName, database, require

from ..watching import sent

LENGTH = 40
DOUBLE = 8
"""As many levels from the top have two ties each."""
UNPLANNED: dict[str, dict[str, Any]] = {
    "sqlite": {},
    "postgresql": {"options": "-c from_collapse_limit=1 -c join_collapse_limit=1"},
    "mariadb": {"init_command": "SET optimizer_search_depth = 1"},
}
"""Keeps planners from trying all orders of the tables, which takes MariaDB minutes."""

metadata = MetaData()
levels = [
    tenant_aware(
        Table(
            "chain_0",
            metadata,
            Column("id", Integer, primary_key=True, autoincrement=False),
            Column("tenant_id", String(50), nullable=False),
        )
    )
]
for _level in range(1, LENGTH + 1):
    _names = ("a", "b") if _level <= DOUBLE else ("a",)
    _ties: list[Column[Any]] = [
        Column(name, ForeignKey(f"chain_{_level - 1}.id"), nullable=False) for name in _names
    ]
    levels.append(
        Table(
            f"chain_{_level}",
            metadata,
            Column("id", Integer, primary_key=True, autoincrement=False),
            *_ties,
            Column("note", Integer),
        )
    )


@pytest.mark.parametrize("where", NAMES)
def test_a_long_chain_is_one_exists_for_each_tie_of_the_table_itself(where: DatabaseName) -> None:
    require(where)
    longest = LENGTH if where == "sqlite" else 12
    with database(where) as here:
        engine = here.engine(connect_args=UNPLANNED[where])
        metadata.create_all(engine)
        with system_scope("seed"), engine.begin() as connection:
            for number, each in enumerate(levels):
                ties = {"tenant_id": None} if not number else dict.fromkeys(each.c.keys()[1:-1])
                for key, tenant in ((1, "acme"), (2, "globex")):
                    values = dict.fromkeys(ties, key if number else tenant)
                    connection.execute(insert(each).values(id=key, **values))
        with tenant_scope("acme"), engine.begin() as connection, sent(engine) as statements:
            for number, count in ((1, 2), (DOUBLE, 2), (12, 1), (longest, 1)):
                assert connection.execute(select(levels[number].c.id)).all() == [(1,)]
                assert statements[-1].count("EXISTS") == count
            child, parent = levels[DOUBLE].alias("child"), levels[DOUBLE - 1]
            joined = select(child.c.id).join(parent, child.c.a == parent.c.id)
            assert connection.execute(joined).all() == [(1,)]
            # The child's other parent, and the parent's own two.
            assert statements[-1].count("EXISTS") == 3
            connection.execute(update(levels[DOUBLE]).values(note=5))
            connection.execute(
                update(levels[3]).values(note=5).where(levels[3].c.id.in_(select(levels[12].c.id)))
            )
        with system_scope("look"), engine.connect() as connection:
            for number in (3, DOUBLE):
                notes = select(levels[number].c.note).order_by(levels[number].c.id)
                assert connection.execute(notes).all() == [(5,), (None,)]
        engine.dispose()
