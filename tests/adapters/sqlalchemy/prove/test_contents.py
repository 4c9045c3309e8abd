"""What a table held, and what became of it."""

from __future__ import annotations

from sqlalchemy import text

from tenantshield_mw.adapters.sqlalchemy.prove.contents import Contents
from tenantshield_mw.context import system_scope

from .tables import Firm, Paper, target_of


def test_the_table_that_was_tried_is_named_first() -> None:
    with target_of(Paper) as target, system_scope("plant a leak"):
        contents = Contents(target.connection, target.rows)
        assert contents.left(target.table) == ""
        for table in ("firm", "paper"):
            target.connection.execute(text(f"DELETE FROM prove_{table}"))
        assert contents.left(target.table) == "changed or deleted a row of prove_paper"
        firm = target.mapper.registry.metadata.tables[Firm.__tablename__]  # type: ignore[union-attr]
        assert contents.left(firm) == "changed or deleted a row of prove_firm"


def test_rows_in_another_order_are_the_same() -> None:
    with target_of(Paper) as target, system_scope("write the rows again"):
        contents = Contents(target.connection, target.rows)
        for sql in (
            "CREATE TEMPORARY TABLE prove_kept AS SELECT * FROM prove_paper ORDER BY id DESC",
            "DELETE FROM prove_paper",
            "INSERT INTO prove_paper SELECT * FROM prove_kept",
        ):
            target.connection.execute(text(sql))
        assert contents.left(target.table) == ""
