"""An expression is accepted as a foreign key if it yields this tenant's rows only."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    case,
    cast,
    column,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    table,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import sqlite

from tenantshield_mw import TenantShieldError, UnguardedStatementError
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.databases import database, require

from ..firms import DEAL, FIRM, TRUSTING, refused, run, seed
from ..schemas import tenant_table
from ..watching import engine_in_memory, fill, rows

engine = engine_in_memory(seed)

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
    "nullif": func.nullif(select(FIRM.c.id).where(FIRM.c.id == 1).scalar_subquery(), 2),
    "coalesce": func.coalesce(select(FIRM.c.id).where(FIRM.c.id == 1).scalar_subquery(), null()),
}

UNPROVEN: dict[str, Any] = {
    "a number in raw SQL": literal_column("2"),
    "text": text("2"),
    "a function": func.abs(-2),
    "the second argument of nullif": func.nullif(literal_column("2"), FIRM.c.id),
    "a cast of a parameter": cast(literal("3rest", String(1)), String(1)),
    "a cast of a parameter to the column's type": cast(3, Integer),
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


def test_a_literal_key_is_selected_for_each_new_row(engine: Engine) -> None:
    """This is how the lines of a new order are copied from another table."""
    copied = select(DEAL.c.id + 100, literal(3)).where(DEAL.c.id == 11)
    run(engine, insert(DEAL).from_select(["id", "firm_id"], copied))
    assert rows(engine, "SELECT firm_id FROM refs_deal WHERE id = 111") == [(3,)]
    copied = select(DEAL.c.id + 200, literal(2)).where(DEAL.c.id == 11)
    refused(engine, insert(DEAL).from_select(["id", "firm_id"], copied))
    both = union_all(select(literal(300), literal(1)), select(literal(301), literal(2)))
    refused(engine, insert(DEAL).from_select(["id", "firm_id"], both))


def test_a_row_may_refer_to_one_that_the_statement_writes() -> None:
    """A CTE that writes returns this tenant's rows."""
    require("postgresql")
    with database("postgresql") as here:
        engine = here.engine()
        seed(engine)
        made = insert(FIRM).values(id=5, name="new").returning(FIRM.c.id).cte("made")
        run(engine, insert(DEAL).from_select(["id", "firm_id"], select(literal(20), made.c.id)))
        moved = update(DEAL).values(note="x").returning(DEAL.c.id, DEAL.c.firm_id).cte("moved")
        copied = select(moved.c.id + 100, moved.c.firm_id)
        run(engine, insert(DEAL).from_select(["id", "firm_id"], copied))
        assert rows(engine, "SELECT id, firm_id FROM refs_deal WHERE id > 12 ORDER BY id") == [
            (20, 5),
            (111, 1),
            (120, 5),
        ]
        trusting = insert(TRUSTING).values(id=1, firm_id=2).returning(TRUSTING.c.firm_id)
        copied = select(literal(30), trusting.cte("t").c.firm_id)
        refused(
            engine,
            insert(DEAL).from_select(["id", "firm_id"], copied),
            kind=UnguardedStatementError,
        )
        engine.dispose()


def test_a_key_may_be_set_to_a_key_of_the_same_row(engine: Engine) -> None:
    run(engine, update(DEAL).values(firm_id=DEAL.c.firm_id))
    refused(engine, update(DEAL).values(firm_id=DEAL.c.place_id), None, UnguardedStatementError)
    refused(engine, update(DEAL).values(firm_id=DEAL.c.firm_id + 1), None, UnguardedStatementError)


# -- aliases with the name of an upsert's new row ---------------------------------------


NAMES = ["new", "inserted", "excluded", "Excluded", "NEW"]
SHARED = shared_across_tenants(
    tenant_table("refs_imported", MetaData(), Column("firm_id", Integer))
)


@pytest.fixture
def with_imported(engine: Engine) -> Engine:
    SHARED.create(engine)
    fill(engine, "INSERT INTO refs_imported VALUES (11, 'globex', 2)")
    return engine


@pytest.mark.parametrize("name", NAMES)
def test_another_tables_alias_is_no_new_row(with_imported: Engine, name: str) -> None:
    bare = table("refs_imported", column("id"), column("tenant_id"), column("firm_id"))
    for imported in (SHARED.alias(name), bare.alias(name), SHARED.alias("x").alias(name)):
        mine = update(DEAL).where(DEAL.c.id == imported.c.id)
        refused(with_imported, mine.values(tenant_id=imported.c.tenant_id))
        refused(with_imported, mine.ordered_values((DEAL.c.tenant_id, imported.c.tenant_id)))
        refused(
            with_imported, mine.values(firm_id=imported.c.firm_id), kind=UnguardedStatementError
        )
        one = select(imported.c.firm_id).scalar_subquery()
        refused(with_imported, update(DEAL).values(firm_id=one), kind=UnguardedStatementError)
        refused(
            with_imported,
            insert(DEAL).from_select(["id", "firm_id"], select(literal(99), imported.c.firm_id)),
            kind=UnguardedStatementError,
        )
        upsert = sqlite.insert(DEAL).values(id=11, firm_id=1)
        for taken in (imported.c.firm_id, one):
            refused(
                with_imported,
                upsert.on_conflict_do_update(index_elements=["id"], set_={"firm_id": taken}),
                kind=UnguardedStatementError,
            )


@pytest.mark.parametrize("name", NAMES)
def test_a_parents_alias_of_that_name_is_confined(engine: Engine, name: str) -> None:
    firm = FIRM.alias(name)
    own = select(firm.c.id).where(firm.c.id == 2).scalar_subquery()
    # Another tenant's is not found.
    with contextlib.suppress(UnguardedStatementError):
        run(engine, update(DEAL).where(DEAL.c.id == 11).values(firm_id=own))
    assert rows(engine, "SELECT firm_id FROM refs_deal WHERE id = 11") in ([(1,)], [(None,)])


def test_the_new_rows_own_columns_are_taken(engine: Engine) -> None:
    upsert = sqlite.insert(DEAL).values(id=11, firm_id=3, note="new")
    new = upsert.excluded
    run(
        engine,
        upsert.on_conflict_do_update(
            index_elements=["id"],
            set_={"firm_id": new.firm_id, "note": new.note, "tenant_id": new.tenant_id},
        ),
    )
    assert rows(engine, "SELECT tenant_id, firm_id, note FROM refs_deal WHERE id = 11") == [
        ("acme", 3, "new")
    ]


# -- the parent in several MetaData ------------------------------------------------------


def test_a_key_to_the_same_table_of_another_metadata_is_taken(engine: Engine) -> None:
    children = []
    for name in ("refs_near", "refs_far"):
        metadata = MetaData()
        tenant_aware(tenant_table("refs_middle", metadata))
        firm = Column("middle_id", Integer, ForeignKey("refs_middle.id"), nullable=False)
        children.append(Table(name, metadata, Column("id", Integer, primary_key=True), firm))
        metadata.create_all(engine)
    fill(engine, "INSERT INTO refs_middle (id, tenant_id) VALUES (1, 'acme'), (2, 'globex')")
    fill(engine, "INSERT INTO refs_near VALUES (1, 1), (2, 2)")
    near, far = children
    run(engine, insert(far).from_select(["middle_id"], select(near.c.middle_id)))
    run(engine, insert(near).from_select(["middle_id"], select(far.c.middle_id)))
    assert rows(engine, "SELECT middle_id FROM refs_far") == [(1,)]
    assert rows(engine, "SELECT middle_id FROM refs_near") == [(1,), (2,), (1,)]
