"""An expression is accepted as a foreign key if it yields this tenant's rows only."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Engine,
    case,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    text,
    update,
)

from tenantshield_mw import TenantShieldError, UnguardedStatementError
from tests.databases import memory_engine

from ..firms import DEAL, FIRM, TRUSTING, refused, run, seed
from ..watching import fill, rows


@pytest.fixture
def engine() -> Engine:
    return seed(memory_engine())


PROVEN: dict[str, Any] = {
    "a subquery on the parent": select(FIRM.c.id).where(FIRM.c.name == "a").scalar_subquery(),
    "the largest of the parent": select(FIRM.c.id)
    .order_by(FIRM.c.id.desc())
    .limit(1)
    .scalar_subquery(),
    "a key to the same parent": select(DEAL.c.firm_id).where(DEAL.c.id == 11).scalar_subquery(),
    "null": null(),
    "case": case(
        (literal(1) == 1, select(FIRM.c.id).where(FIRM.c.id == 1).scalar_subquery()),
        else_=null(),
    ),
    "coalesce": func.coalesce(select(FIRM.c.id).where(FIRM.c.id == 1).scalar_subquery(), null()),
}

UNPROVEN: dict[str, Any] = {
    "a number in raw SQL": literal_column("2"),
    "text": text("2"),
    "a function": func.abs(-2),
    "arithmetic": literal(1) + 1,
    "arithmetic on the parent": select(FIRM.c.id + 1).where(FIRM.c.id == 1).scalar_subquery(),
    "an aggregate plus one": select(func.max(FIRM.c.id) - 1).scalar_subquery(),
    "another column": select(DEAL.c.id - 10).where(DEAL.c.id == 11).scalar_subquery(),
    "a column called like the parent's key": select(DEAL.c.id).limit(1).scalar_subquery(),
    "a column without a check": select(TRUSTING.c.firm_id).limit(1).scalar_subquery(),
    "case": case((literal(1) == 1, literal_column("2")), else_=null()),
    "coalesce": func.coalesce(null(), literal_column("2")),
}


@pytest.mark.parametrize("kind", PROVEN)
def test_an_expression_that_yields_this_tenants_rows_is_accepted(engine: Engine, kind: str) -> None:
    run(engine, insert(DEAL).values(id=20, firm_id=PROVEN[kind]))
    run(engine, update(DEAL).values(firm_id=PROVEN[kind]))
    found = rows(engine, "SELECT DISTINCT firm_id FROM refs_deal WHERE tenant_id = 'acme'")
    assert set(found) <= {(1,), (3,), (None,)}


@pytest.mark.parametrize("kind", UNPROVEN)
def test_an_expression_that_could_yield_another_tenants_row_is_refused(
    engine: Engine, kind: str
) -> None:
    fill(engine, "INSERT INTO refs_trusting VALUES (1, 'acme', 2)")
    for statement in (
        insert(DEAL).values(id=20, firm_id=UNPROVEN[kind]),
        update(DEAL).values(firm_id=UNPROVEN[kind]),
        insert(DEAL).values([{"id": 20, "firm_id": 1}, {"id": 21, "firm_id": UNPROVEN[kind]}]),
    ):
        refused(engine, statement, None, TenantShieldError)


def test_a_key_may_be_set_to_a_key_of_the_same_row(engine: Engine) -> None:
    run(engine, update(DEAL).values(firm_id=DEAL.c.firm_id))
    refused(engine, update(DEAL).values(firm_id=DEAL.c.place_id), None, UnguardedStatementError)
    refused(engine, update(DEAL).values(firm_id=DEAL.c.firm_id + 1), None, UnguardedStatementError)
