"""Which rows are the tenant's own, and what they add up to."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from tenantshield_mw import tenant_scope
from tenantshield_mw.adapters.sqlalchemy.lifecycle.rows import (
    Digest,
    TableRows,
    count_of,
    in_batches,
    line_of,
)
from tenantshield_mw.adapters.sqlalchemy.lifecycle.values import values_of

from .lives import home, settle
from .models import Base, Invoice, Tag


def test_rows_of_everybody_are_nobodys_own() -> None:
    with home("sqlite") as here:
        settle(here.engine, "acme", "globex")
        with tenant_scope("acme"), here.engine.connect() as connection:
            rows = TableRows(Tag.__table__, here.engine.dialect)  # type: ignore[arg-type]
            assert [row["text"] for row in rows.written(connection)] == ["tag of acme"]
            counts = {
                table.name: count_of(connection, table)
                for table in Base.metadata.tables.values()
                if table.name != "life_currency"
            }
    assert counts == {
        "life_tag": 1,
        "life_person": 4,
        "life_engineer": 3,
        "life_team": 1,
        "life_invoice": 3,
        "life_line": 3,
        "life_note": 3,
        "life_tagged": 6,
        "life_sample": 3,
    }


def test_computed_columns_are_left_out() -> None:
    with home("sqlite") as here:
        rows = TableRows(Invoice.__table__, here.engine.dialect)  # type: ignore[arg-type]
    assert [*rows.columns] == ["tenant_id", "number", "currency", "total"]


@given(rows=st.lists(st.dictionaries(st.just("total"), st.integers(0, 9).map(str), min_size=1)))
def test_a_digest_does_not_depend_on_the_order(rows: list[dict[str, Any]]) -> None:
    columns = {"total": values_of(Invoice.__table__.c.total, SQLiteDialect())}  # type: ignore[arg-type]
    one, two, less = Digest(), Digest(), Digest()
    for row in rows:
        one.add(row, columns)
    for row in reversed(rows):
        # More places are the same number.
        two.add({"total": f"{row['total']}.00"}, columns)
    for row in rows[1:]:
        less.add(row, columns)
    assert one.total == two.total
    assert not rows or one.total != less.total


def test_batches_and_lines() -> None:
    assert [len(each) for each in in_batches(iter(range(2500)))] == [1000, 1000, 500]
    assert line_of({"a": "ü\n"}) == b'{"a":"\\u00fc\\n"}\n'
