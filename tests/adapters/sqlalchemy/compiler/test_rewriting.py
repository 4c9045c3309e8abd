"""The conditions of the application stand in parentheses that they cannot close."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, delete, literal_column, select, text, update

from tenantshield_mw import tenant_scope

from ..watching import rows
from .shop import REGION, SHOP, refused, seen

# -- raw SQL cannot widen --------------------------------------------------------


@pytest.mark.parametrize(
    "condition", ["is_open OR 1 = 1", "1 = 1 OR 1 = 1", "id = 1 OR id = 3 OR id = 2"]
)
def test_an_or_in_text_cannot_widen_a_statement(any_engine: Engine, condition: str) -> None:
    clauses: list[Any] = [text(condition), literal_column(condition)]
    for clause in clauses:
        assert {row[0] for row in seen(any_engine, select(SHOP.c.id).where(clause))} <= {1, 2}
        joined = select(SHOP.c.id).outerjoin_from(REGION, SHOP, clause)
        if "id" not in condition:
            assert {row[0] for row in seen(any_engine, joined)} <= {1, 2, None}
        with tenant_scope("acme"), any_engine.begin() as connection:
            connection.execute(update(SHOP).where(clause).values(name="hit"))
            connection.execute(delete(SHOP).where(text("name IS NULL OR id IN (2, 3, 4)")))
    assert rows(any_engine, "SELECT name FROM comp_shop WHERE id > 2 ORDER BY id") == [
        ("g3",),
        ("g4",),
    ]


@pytest.mark.parametrize(
    "condition",
    ["1 = 1) OR (1 = 1", "1 = 1 --", "1 = 1 /*", "name = 'x", "1 = 1) UNION SELECT (2"],
)
def test_text_with_unbalanced_parentheses_or_quotes_is_refused(
    engine: Engine, condition: str
) -> None:
    refused(engine, select(SHOP.c.id).where(text(condition)), match="unbalanced parenthesis, quote")
    refused(engine, select(SHOP.c.id).where(literal_column(condition)))
    refused(engine, update(SHOP).where(text(condition)).values(name="x"))
    refused(engine, delete(SHOP).where(text(condition)))


def test_an_operator_made_of_raw_sql_cannot_widen(engine: Engine) -> None:
    widened = SHOP.c.id.op("= 0 OR 1 =")(1)
    assert seen(engine, select(SHOP.c.id).where(widened)) == [(1,), (2,)]
    refused(engine, select(SHOP.c.id).where(SHOP.c.id.op("= 0) OR (1 =")(1)))
