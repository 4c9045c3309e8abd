"""Foreign keys refer to this tenant's rows only, and the number of lookups for that."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    Column,
    Computed,
    Engine,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    Uuid,
    bindparam,
    case,
    event,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    make_transient,
    make_transient_to_detached,
    mapped_column,
    relationship,
)

from tenantshield_mw import (
    CrossTenantAccessError,
    TenantShieldError,
    UnguardedStatementError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, DatabaseName, database, memory_engine, require

from ..watching import fill, rows, sent


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Firm(Base):
    __tablename__ = "refs_firm"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(50))
    name: Mapped[str | None] = mapped_column(String(50))
    deals: Mapped[list[Deal]] = relationship(back_populates="firm")


@tenant_aware
class Place(Base):
    __tablename__ = "refs_place"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(50))


@tenant_aware
class Deal(Base):
    __tablename__ = "refs_deal"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(50))
    firm_id: Mapped[int | None] = mapped_column(ForeignKey("refs_firm.id"))
    place_id: Mapped[int | None] = mapped_column(ForeignKey("refs_place.id"))
    note: Mapped[str | None] = mapped_column(String(50))
    firm: Mapped[Firm | None] = relationship(back_populates="deals")
    steps: Mapped[list[Step]] = relationship(back_populates="deal")


class Step(Base):
    """Belongs to a tenant through its deal, without a declaration."""

    __tablename__ = "refs_step"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    deal_id: Mapped[int] = mapped_column(ForeignKey("refs_deal.id"))
    deal: Mapped[Deal] = relationship(back_populates="steps")


@tenant_aware(check_references=False)
class Trusting(Base):
    __tablename__ = "refs_trusting"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(50))
    firm_id: Mapped[int | None] = mapped_column(ForeignKey("refs_firm.id"))


FIRM, DEAL, STEP, TRUSTING = (
    Base.metadata.tables[f"refs_{name}"] for name in ("firm", "deal", "step", "trusting")
)

SEED = (
    "INSERT INTO refs_firm VALUES (1, 'acme', 'a'), (2, 'globex', 'g'), (3, 'acme', 'b')",
    "INSERT INTO refs_place VALUES (1, 'acme'), (2, 'globex')",
    "INSERT INTO refs_deal VALUES (11, 'acme', 1, NULL, 'x'), (12, 'globex', 2, NULL, 'y')",
    "INSERT INTO refs_step VALUES (111, 11), (112, 12)",
)


def seed(engine: Engine) -> Engine:
    Base.metadata.create_all(engine)
    fill(engine, *SEED)
    return engine


@pytest.fixture
def engine() -> Engine:
    return seed(memory_engine())


def run(engine: Engine, statement: Any, parameters: Any = None) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(statement, parameters)


def refused(
    engine: Engine,
    statement: Any,
    parameters: Any = None,
    kind: type[TenantShieldError] = CrossTenantAccessError,
) -> None:
    """Check that the statement raises and changes nothing."""
    before = [rows(engine, f"SELECT * FROM {each.name} ORDER BY 1") for each in (DEAL, STEP)]
    with pytest.raises(kind) as caught:
        run(engine, statement, parameters)
    assert "refs_" in str(caught.value)
    assert "globex" not in str(caught.value)
    after = [rows(engine, f"SELECT * FROM {each.name} ORDER BY 1") for each in (DEAL, STEP)]
    assert after == before


def looked_up(statements: list[str]) -> int:
    return sum(each.lstrip().upper().startswith("SELECT") for each in statements)


# -- Core ------------------------------------------------------------------------


def forms(value: int) -> dict[str, tuple[Any, Any]]:
    """Ways to write the foreign key ``value``."""
    return {
        "values": (insert(DEAL).values(id=20, firm_id=value), None),
        "parameters": (insert(DEAL), {"id": 20, "firm_id": value}),
        "executemany": (
            insert(DEAL),
            [{"id": 20, "firm_id": 1}, {"id": 21, "firm_id": value}, {"id": 22, "firm_id": 3}],
        ),
        "several values": (
            insert(DEAL).values([{"id": 20, "firm_id": 1}, {"id": 21, "firm_id": value}]),
            None,
        ),
        "returning": (
            insert(DEAL).returning(DEAL.c.id),
            [{"id": 20, "firm_id": 1}, {"id": 21, "firm_id": value}],
        ),
        "a named parameter": (
            insert(DEAL).values(id=20, firm_id=bindparam("which")),
            {"which": value},
        ),
        "by column": (insert(DEAL).values({DEAL.c.id: 20, DEAL.c.firm_id: value}), None),
        "through the model": (insert(Deal).values(id=20, firm_id=value), None),
        "a tied table": (insert(STEP).values(id=120, deal_id=value + 10), None),
        "update": (update(DEAL).values(firm_id=value), None),
        "update by parameter": (update(DEAL), {"firm_id": value}),
        "update many": (
            update(DEAL).where(DEAL.c.id == bindparam("which")).values(firm_id=bindparam("to")),
            [{"which": 11, "to": 1}, {"which": 11, "to": value}],
        ),
        "update in order": (update(DEAL).ordered_values((DEAL.c.firm_id, value)), None),
        "update of a tied table": (update(STEP).values(deal_id=value + 10), None),
        "update through the model": (update(Deal).values(firm_id=value), None),
    }


@pytest.mark.parametrize("form", forms(2))
def test_another_tenants_row_is_refused_in_every_form(engine: Engine, form: str) -> None:
    refused(engine, *forms(2)[form])


@pytest.mark.parametrize("form", forms(99))
def test_a_row_that_is_not_there_is_refused_alike(engine: Engine, form: str) -> None:
    # An error must not reveal whether it exists for another tenant.
    with pytest.raises(CrossTenantAccessError) as missing:
        run(engine, *forms(99)[form])
    with pytest.raises(CrossTenantAccessError) as foreign:
        run(engine, *forms(2)[form])
    assert str(missing.value) == str(foreign.value)


@pytest.mark.parametrize("form", forms(1))
def test_ones_own_row_is_accepted_in_every_form(engine: Engine, form: str) -> None:
    statement, parameters = forms(1)[form]
    run(engine, statement, parameters)
    stray = rows(
        engine,
        "SELECT d.id FROM refs_deal d JOIN refs_firm f ON f.id = d.firm_id"
        " WHERE d.tenant_id <> f.tenant_id",
    )
    assert stray == []


@pytest.mark.parametrize("where", NAMES)
def test_references_are_checked_on_every_database(where: DatabaseName) -> None:
    require(where)
    with database(where) as here:
        engine = seed(here.engine())
        refused(engine, *forms(2)["executemany"])
        refused(engine, *forms(2)["returning"])
        refused(engine, *forms(2)["update many"])
        run(engine, *forms(1)["executemany"])
        with tenant_scope("acme"), Session(engine) as session:
            session.add_all([Deal(id=30, firm_id=1), Deal(id=31, firm_id=2)])
            with pytest.raises(CrossTenantAccessError):
                session.flush()
        assert rows(engine, "SELECT id FROM refs_deal WHERE id IN (30, 31)") == []
        engine.dispose()


def test_no_reference_is_always_accepted_where_it_owns_nothing(engine: Engine) -> None:
    run(engine, insert(DEAL).values(id=20))
    run(engine, insert(DEAL).values(id=21, firm_id=None))
    run(engine, insert(DEAL), [{"id": 22, "firm_id": None}, {"id": 23, "firm_id": 1}])
    run(engine, update(DEAL).values(firm_id=None))
    assert rows(engine, "SELECT id FROM refs_deal WHERE id > 12 ORDER BY id") == [
        (20,),
        (21,),
        (22,),
        (23,),
    ]


def test_a_row_that_would_belong_to_no_tenant_is_refused(engine: Engine) -> None:
    refused(engine, insert(STEP).values(id=120))
    refused(engine, insert(STEP).values(id=120, deal_id=None))
    refused(engine, insert(STEP), [{"id": 120, "deal_id": None}, {"id": 121, "deal_id": 11}])
    refused(engine, insert(STEP), {"id": 120})
    refused(engine, insert(STEP).from_select(["id"], select(FIRM.c.id + 200)))


def test_references_may_cross_in_the_system_scope(engine: Engine) -> None:
    with system_scope("repair"), engine.begin() as connection:
        connection.execute(insert(DEAL).values(id=20, tenant_id="acme", firm_id=2))
    assert len(rows(engine, "SELECT id FROM refs_deal WHERE id = 20")) == 1


# -- check_references=False ------------------------------------------------------


def test_a_table_that_opted_out_is_not_checked(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection, sent(engine) as statements:
        connection.execute(insert(TRUSTING).values(id=1, firm_id=2))
        connection.execute(update(TRUSTING).values(firm_id=func.abs(-2)))
    assert looked_up(statements) == 0
    assert rows(engine, "SELECT firm_id FROM refs_trusting") == [(2,)]


def test_the_keys_that_say_whose_a_row_is_are_checked_all_the_same() -> None:
    metadata = MetaData()
    parent = tenant_aware(
        Table(
            "refs_owner",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(50)),
        )
    )
    child = Table(
        "refs_owned",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("owner_id", ForeignKey("refs_owner.id")),
    )
    tenant_aware(child, through="refs_owner", check_references=False)
    engine = memory_engine()
    metadata.create_all(engine)
    fill(engine, "INSERT INTO refs_owner VALUES (1, 'acme'), (2, 'globex')")
    run(engine, insert(child).values(id=1, owner_id=1))
    for statement in (
        insert(child).values(id=2, owner_id=2),
        insert(child).values(id=2),
        update(child).values(owner_id=2),
    ):
        with pytest.raises(CrossTenantAccessError):
            run(engine, statement)
    assert rows(engine, "SELECT * FROM refs_owned") == [(1, 1)]
    assert parent.metadata is metadata


# -- expressions -----------------------------------------------------------------

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


# -- INSERT ... SELECT -----------------------------------------------------------


def test_insert_from_select_takes_references_that_are_the_tenants(engine: Engine) -> None:
    run(engine, insert(DEAL).from_select(["id", "firm_id"], select(FIRM.c.id + 50, FIRM.c.id)))
    run(
        engine,
        insert(DEAL).from_select(["id", "firm_id"], select(DEAL.c.id + 100, DEAL.c.firm_id)),
    )
    run(engine, insert(STEP).from_select(["id", "deal_id"], select(DEAL.c.id + 500, DEAL.c.id)))
    written = rows(engine, "SELECT id, tenant_id, firm_id FROM refs_deal WHERE id > 12 ORDER BY id")
    assert {tenant for _, tenant, _ in written} == {"acme"}
    assert {firm for _, _, firm in written} == {1, 3}


@pytest.mark.parametrize(
    "source",
    [
        select(FIRM.c.id + 50, literal(2)),
        select(FIRM.c.id + 50, literal_column("2")),
        select(FIRM.c.id + 50, FIRM.c.id + 1),
        select(FIRM.c.id + 50, text("2")),
        select(FIRM.c.id + 50, FIRM.c.id).union_all(select(FIRM.c.id + 60, literal(2))),
        select(TRUSTING.c.id, TRUSTING.c.firm_id),
    ],
    ids=["literal", "raw", "arithmetic", "text", "union", "unchecked"],
)
def test_insert_from_select_refuses_references_that_could_be_another_tenants(
    engine: Engine, source: Any
) -> None:
    statement = insert(DEAL).from_select(["id", "firm_id"], source)
    refused(engine, statement, None, TenantShieldError)


# -- upserts ---------------------------------------------------------------------


def upsert(engine: Engine, set_: Any, **given: Any) -> Any:
    if engine.dialect.name == "mariadb":
        return mysql.insert(DEAL).values(**given).on_duplicate_key_update(set_)
    dialect: Any = sqlite if engine.dialect.name == "sqlite" else postgresql
    made = dialect.insert(DEAL).values(**given)
    return made.on_conflict_do_update(index_elements=["id"], set_=set_)


@pytest.mark.parametrize("where", NAMES)
def test_upserts_check_what_they_insert_and_what_they_set(where: DatabaseName) -> None:
    require(where)
    with database(where) as here:
        engine = seed(here.engine())
        refused(engine, upsert(engine, {"note": "z"}, id=11, firm_id=2))
        refused(engine, upsert(engine, {"firm_id": 2}, id=11, firm_id=1))
        refused(engine, upsert(engine, {"firm_id": 1}, id=20, firm_id=2))
        refused(engine, upsert(engine, {"firm_id": 1}, id=20, firm_id=bindparam("f", 2)))
        refused(
            engine,
            upsert(engine, {"firm_id": literal_column("2")}, id=11),
            None,
            UnguardedStatementError,
        )
        run(engine, upsert(engine, {"firm_id": 3}, id=11, firm_id=1))
        assert rows(engine, "SELECT firm_id FROM refs_deal WHERE id = 11") == [(3,)]
        run(engine, upsert(engine, {"firm_id": 3, "note": "stolen"}, id=12, firm_id=1))
        assert rows(engine, "SELECT tenant_id, firm_id, note FROM refs_deal WHERE id = 12") == [
            ("globex", 2, "y")
        ]
        engine.dispose()


def test_an_upsert_may_set_the_value_that_it_would_have_inserted(engine: Engine) -> None:
    made = sqlite.insert(DEAL).values(id=11, firm_id=3)
    run(
        engine,
        made.on_conflict_do_update(index_elements=["id"], set_={"firm_id": made.excluded.firm_id}),
    )
    assert rows(engine, "SELECT firm_id FROM refs_deal WHERE id = 11") == [(3,)]


def test_an_upsert_leaves_an_onupdate_alone_as_sqlalchemy_does() -> None:
    engine, table = with_default("refs_upsert_onupdate", onupdate=2)
    made = sqlite.insert(table).values(id=1)
    run(engine, made.on_conflict_do_update(index_elements=["id"], set_={"id": made.excluded.id}))
    assert rows(engine, "SELECT firm_id FROM refs_upsert_onupdate") == [(None,)]


def test_each_write_of_a_statement_is_checked_by_itself() -> None:
    first = insert(DEAL).values(id=20, firm_id=2).returning(DEAL.c.id).cte("first")
    second = insert(DEAL).values(id=21, firm_id=1).add_cte(first)
    third = update(DEAL).values(firm_id=1).where(DEAL.c.id == 11).add_cte(first)
    with database("postgresql") as here:
        engine = seed(here.engine())
        for statement in (second, third):
            refused(engine, statement)
        engine.dispose()


# -- defaults --------------------------------------------------------------------


def with_default(name: str, **options: Any) -> tuple[Engine, Table]:
    metadata = MetaData()
    table = tenant_aware(
        Table(
            name,
            metadata,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(50)),
            Column("firm_id", Integer, **options),
            ForeignKeyConstraint(["firm_id"], [FIRM.c.id]),
        )
    )
    engine = seed(memory_engine())
    metadata.create_all(engine)
    return engine, table


@pytest.mark.parametrize(
    ("name", "default"),
    [("scalar", 2), ("callable", lambda: 2), ("expression", literal_column("2"))],
)
def test_a_default_that_points_at_another_tenants_row_is_refused(name: str, default: Any) -> None:
    engine, table = with_default(f"refs_default_{name}", default=default)
    for statement, parameters in (
        (insert(table).values(id=1), None),
        (insert(table), {"id": 1}),
        (insert(table), [{"id": 1}, {"id": 2}]),
        (insert(table).values([{"id": 1}, {"id": 2}]), None),
    ):
        with pytest.raises(TenantShieldError, match=f"refs_default_{name}"):
            run(engine, statement, parameters)
    assert rows(engine, f"SELECT * FROM refs_default_{name}") == []


def test_a_default_that_points_at_ones_own_row_is_accepted() -> None:
    engine, table = with_default("refs_default_own", default=1)
    run(engine, insert(table).values(id=1))
    run(engine, insert(table), [{"id": 2}, {"id": 3}])
    assert rows(engine, "SELECT DISTINCT tenant_id, firm_id FROM refs_default_own") == [("acme", 1)]


@pytest.mark.parametrize("default", ["2", literal_column("1 + 1"), FetchedValue()], ids=type)
def test_a_default_of_the_databases_is_refused_where_it_would_be_used(default: Any) -> None:
    name = f"refs_server_default_{type(default).__name__}".lower()
    engine, table = with_default(name, server_default=default)
    bare = Table(name, MetaData(), Column("id", Integer), Column("tenant_id", String(50)))
    for statement, parameters in (
        (insert(table).values(id=1), None),
        (insert(table), [{"id": 1}, {"id": 2}]),
        (insert(table).values([{"id": 1}, {"id": 2}]), None),
        (insert(table).from_select(["id"], select(literal(1))), None),
        (insert(bare).values(id=1), None),
        (sqlite.insert(table).values(id=1).on_conflict_do_nothing(), None),
    ):
        with pytest.raises(UnguardedStatementError, match=rf"{name}.* refs_firm: give it a value"):
            run(engine, statement, parameters)
    assert rows(engine, f"SELECT * FROM {name}") == []
    run(engine, insert(table).values(id=1, firm_id=1))
    run(engine, insert(table).values(id=2, firm_id=None))
    run(engine, insert(table).from_select(["id", "firm_id"], select(literal(3), null())))
    run(engine, update(table).values(tenant_id="acme"))
    assert rows(engine, f"SELECT firm_id FROM {name} ORDER BY id") == [(1,), (None,), (None,)]


def test_a_default_of_null_in_the_database_may_be_used() -> None:
    engine, table = with_default("refs_server_null", server_default=text("NULL"))
    run(engine, insert(table).values(id=1))
    assert rows(engine, "SELECT firm_id FROM refs_server_null") == [(None,)]


def test_a_key_that_the_database_computes_is_refused() -> None:
    metadata = MetaData()
    table = tenant_aware(
        Table(
            "refs_computed",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(50)),
            Column("base", Integer),
            Column("firm_id", Integer, Computed("base + 1")),
            ForeignKeyConstraint(["firm_id"], [FIRM.c.id]),
        )
    )
    engine = seed(memory_engine())
    metadata.create_all(engine)
    with tenant_scope("acme"), engine.begin() as connection:
        assert connection.execute(select(table)).all() == []
    for statement in (
        insert(table).values(id=1, base=1),
        insert(table).from_select(["id", "base"], select(literal(1), literal(1))),
        update(table).values(base=1),
    ):
        with pytest.raises(UnguardedStatementError, match=r"refs_computed.*tenant_foreign_key\(\)"):
            run(engine, statement)


def test_an_onupdate_that_points_at_another_tenants_row_is_refused() -> None:
    engine, table = with_default("refs_onupdate", onupdate=2)
    run(engine, insert(table).values(id=1, firm_id=1))
    with pytest.raises(TenantShieldError):
        run(engine, update(table).values(id=1))
    assert rows(engine, "SELECT firm_id FROM refs_onupdate") == [(1,)]


# -- the ORM ---------------------------------------------------------------------


def test_objects_that_point_at_another_tenants_row_are_refused_in_a_flush(engine: Engine) -> None:
    makers: list[Any] = [
        lambda session: session.add(Deal(id=20, firm_id=2)),
        lambda session: session.add_all(
            [Deal(id=n, firm_id=2 if n == 25 else 1) for n in range(20, 30)]
        ),
        lambda session: setattr(session.get_one(Deal, 11), "firm_id", 2),
        lambda session: session.add(Step(id=120, deal_id=12)),
        lambda session: session.add(Step(id=120)),
        lambda session: session.add(
            Deal(id=20, steps=[Step(id=120), Step(id=121, deal_id=12)], firm_id=2)
        ),
        lambda session: session.merge(Deal(id=11, firm_id=2)),
    ]
    for make in makers:
        with tenant_scope("acme"), Session(engine) as session:
            make(session)
            with pytest.raises(CrossTenantAccessError, match="refs_"):
                session.flush()
            session.rollback()
    assert len(rows(engine, "SELECT id FROM refs_deal")) == 2


def test_bulk_methods_are_checked(engine: Engine) -> None:
    bad = [{"id": 20, "firm_id": 1}, {"id": 21, "firm_id": 2}]
    acts: list[Any] = [
        lambda session: session.bulk_insert_mappings(Deal, bad),
        lambda session: session.bulk_save_objects([Deal(**each) for each in bad]),
        lambda session: session.execute(insert(Deal), bad),
        lambda session: session.bulk_update_mappings(Deal, [{"id": 11, "firm_id": 2}]),
        lambda session: session.execute(update(Deal), [{"id": 11, "firm_id": 2}]),
    ]
    for act in acts:
        with tenant_scope("acme"), Session(engine) as session:
            with pytest.raises(CrossTenantAccessError):
                act(session)
            session.rollback()
    assert rows(engine, "SELECT firm_id FROM refs_deal ORDER BY id") == [(1,), (2,)]


def test_a_detached_parent_made_by_hand_proves_nothing(engine: Engine) -> None:
    for spoofed in ({}, {"tenant_id": "acme"}, {"tenant_id": "acme", "name": "x"}):
        made = Firm(id=2, **spoofed)
        make_transient_to_detached(made)
        with tenant_scope("acme"), Session(engine) as session:
            with pytest.raises(TenantShieldError):  # noqa: PT012
                session.add(made)
                session.add(Deal(id=20, firm_id=2))
                session.flush()
            session.rollback()
    for spoofed in ({}, {"tenant_id": "acme"}):
        made = Firm(id=2, **spoofed)
        make_transient_to_detached(made)
        with tenant_scope("acme"), Session(engine) as session:
            with pytest.raises(TenantShieldError):  # noqa: PT012
                session.add(Deal(id=20, firm=made))
                session.flush()
            session.rollback()
    assert len(rows(engine, "SELECT id FROM refs_deal")) == 2


def test_a_detached_parent_made_by_hand_proves_nothing_beside_one_that_was_loaded(
    engine: Engine,
) -> None:
    made = Firm(id=2, tenant_id="acme")
    make_transient_to_detached(made)
    with tenant_scope("acme"), Session(engine) as session:
        loaded = session.scalars(select(Firm)).all()
        assert 2 not in {each.id for each in loaded}
        session.add(made)
        session.add(Deal(id=20, firm_id=2))
        with pytest.raises(TenantShieldError):
            session.flush()
    assert len(rows(engine, "SELECT id FROM refs_deal")) == 2


def test_another_tenants_detached_parent_proves_nothing(engine: Engine) -> None:
    with tenant_scope("globex"), Session(engine) as other:
        theirs = other.get_one(Firm, 2)
    with tenant_scope("acme"), Session(engine) as session:
        with pytest.raises(TenantShieldError):  # noqa: PT012
            session.add(Deal(id=20, firm=theirs))
            session.flush()
        session.rollback()
    assert len(rows(engine, "SELECT id FROM refs_deal")) == 2


def test_a_parent_with_a_spoofed_primary_key_proves_nothing(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        firm = session.get_one(Firm, 1)
        firm.id = 2
        session.add(Deal(id=20, firm_id=2))
        with pytest.raises(Exception):  # noqa: B017, PT011
            session.flush()
        session.rollback()
    assert rows(engine, "SELECT id FROM refs_deal WHERE id = 20") == []


def a_transient_one_made_detached(session: Session) -> None:
    firm = session.get_one(Firm, 1)
    session.expunge(firm)
    make_transient(firm)
    firm.id = 2
    make_transient_to_detached(firm)
    session.add(firm)


def computed() -> Any:
    return select((FIRM.c.id + 1).label("id"), FIRM.c.tenant_id, FIRM.c.name).where(FIRM.c.id == 1)


def a_computed_one_of_a_statement(session: Session) -> Firm:
    found: Firm = session.scalars(select(Firm).from_statement(computed())).one()
    return found


def a_computed_one_of_an_alias(session: Session) -> Firm:
    return session.scalars(select(aliased(Firm, computed().subquery(), adapt_on_names=True))).one()


@pytest.mark.parametrize(
    "make",
    [
        a_transient_one_made_detached,
        a_computed_one_of_a_statement,
        a_computed_one_of_an_alias,
    ],
)
def test_an_object_that_is_no_row_of_its_table_proves_nothing(
    engine: Engine, make: Callable[[Session], Any]
) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        made = make(session)
        session.add(Deal(id=20, firm_id=2))
        with pytest.raises(CrossTenantAccessError):
            session.flush()
        session.rollback()
    del made
    assert len(rows(engine, "SELECT id FROM refs_deal")) == 2


@pytest.mark.parametrize("end", ["commit", "rollback of a savepoint"])
def test_an_object_of_an_earlier_transaction_proves_nothing(engine: Engine, end: str) -> None:
    with tenant_scope("acme"), Session(engine, expire_on_commit=False) as session:
        nested = session.begin_nested() if end != "commit" else None
        session.execute(insert(FIRM).values(id=9))
        kept = session.get_one(Firm, 9)
        if nested is None:
            session.commit()
            fill(engine, "DELETE FROM refs_firm WHERE id = 9")
        else:
            nested.rollback()
        with engine.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            driver.execute("INSERT INTO refs_firm VALUES (9, 'globex', 'new')")
        session.add(Deal(id=20, firm_id=kept.id))
        with pytest.raises(CrossTenantAccessError):
            session.flush()
        session.rollback()
    assert rows(engine, "SELECT id FROM refs_deal WHERE id = 20") == []


# -- values that are converted ---------------------------------------------------


class Shifted(TypeDecorator[int]):
    """Writes a number plus one, and reads it unchanged."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value and value + 1


class Converted(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Folder(Converted):
    __tablename__ = "refs_folder"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(50))


class Sheet(Converted):
    __tablename__ = "refs_sheet"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    folder_id: Mapped[int] = mapped_column(Shifted, ForeignKey("refs_folder.id"))


@tenant_aware
class Token(Converted):
    __tablename__ = "refs_token"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))


class Use(Converted):
    __tablename__ = "refs_use"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("refs_token.id"))


@contextmanager
def folders(where: DatabaseName) -> Generator[Engine, None, None]:
    """Give acme the folders 1 and 3, and globex 2."""
    require(where)
    with database(where) as here:
        engine = seed(here.engine())
        Converted.metadata.create_all(engine)
        fill(engine, "INSERT INTO refs_folder VALUES (1, 'acme'), (2, 'globex'), (3, 'acme')")
        yield engine
        engine.dispose()


@pytest.mark.parametrize("where", NAMES)
def test_a_key_is_looked_up_as_it_will_be_written(where: DatabaseName) -> None:
    with folders(where) as engine:
        sheet: Any = Sheet.__table__
        refused(engine, insert(sheet).values(id=1, folder_id=1))
        refused(engine, insert(sheet), [{"id": 1, "folder_id": 2}, {"id": 2, "folder_id": 1}])
        run(engine, insert(sheet).values(id=1, folder_id=2))
        assert rows(engine, "SELECT folder_id FROM refs_sheet") == [(3,)]


def test_a_converted_key_is_not_proven_by_a_parent_in_memory() -> None:
    ways: list[Callable[[Session], Any]] = [
        lambda session: session.get_one(Folder, 1),
        lambda session: session.add(Folder(id=5)),
    ]
    for make in ways:
        with folders("sqlite") as engine:
            fill(engine, "INSERT INTO refs_folder VALUES (6, 'globex')")
            with tenant_scope("acme"), Session(engine) as session:
                make(session)
                session.add_all([Sheet(id=1, folder_id=1), Sheet(id=2, folder_id=5)])
                with pytest.raises(CrossTenantAccessError):
                    session.flush()
                session.rollback()
            assert rows(engine, "SELECT id FROM refs_sheet") == []


@pytest.mark.parametrize("where", NAMES)
def test_a_key_of_another_python_type_than_the_parents_is_found(where: DatabaseName) -> None:
    mine, theirs = UUID(int=1), UUID(int=2)
    with folders(where) as engine:
        run(engine, insert(Token).values(id=mine))
        with tenant_scope("globex"), engine.begin() as connection:
            connection.execute(insert(Token).values(id=theirs))
        run(engine, insert(Use).values(id=1, token_id=str(mine)))
        refused(engine, insert(Use).values(id=2, token_id=str(theirs)))
        with tenant_scope("acme"), Session(engine) as session:
            session.add(Use(id=3, token_id=str(mine)))
            session.commit()
        assert len(rows(engine, "SELECT id FROM refs_use")) == 2


@pytest.mark.parametrize("where", ["sqlite", "mariadb"])
def test_a_key_may_be_spelled_in_two_ways_in_one_statement(where: DatabaseName) -> None:
    with folders(where) as engine:
        given: list[Any] = [{"id": 20, "firm_id": 1}, {"id": 21, "firm_id": "1"}]
        run(engine, insert(DEAL), given)
        refused(engine, insert(DEAL), [{"id": 22, "firm_id": 1}, {"id": 23, "firm_id": "2"}])
        with tenant_scope("acme"), Session(engine) as session:
            session.add_all([Deal(id=24, firm_id=1), Deal(id=25, firm_id="1")])
            session.commit()
        assert len(rows(engine, "SELECT id FROM refs_deal WHERE firm_id = 1")) == 5


# -- what it costs ---------------------------------------------------------------


def test_a_flush_queries_a_table_at_most_once(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session, sent(engine) as statements:
        session.add_all([Deal(id=n, firm_id=1 + 2 * (n % 2), place_id=1) for n in range(20, 60)])
        # An optional column makes SQLAlchemy send more than one INSERT.
        session.add_all([Deal(id=n, firm_id=1, note="noted") for n in range(60, 80)])
        session.flush()
        session.commit()
    assert looked_up(statements) == 2
    assert len(rows(engine, "SELECT id FROM refs_deal WHERE id >= 20")) == 60


def test_a_flush_looks_nothing_up_if_the_parents_were_loaded(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        firms = session.scalars(select(Firm)).all()
        deal = session.get_one(Deal, 11)
        with sent(engine) as statements:
            session.add_all([Deal(id=n, firm=firms[0]) for n in range(20, 30)])
            session.add_all([Deal(id=n, firm_id=firms[1].id) for n in range(30, 40)])
            session.add(Step(id=120, deal=deal))
            session.flush()
        assert looked_up(statements) == 0
        session.commit()


def test_a_query_for_a_parents_column_alone_works_as_ever(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        assert session.scalars(select(Firm.id).order_by(Firm.id)).all() == [1, 3]


def test_a_flush_looks_nothing_up_if_the_parents_are_new(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session, sent(engine) as statements:
        firm = Firm(id=5)
        session.add(firm)
        for n in range(20, 30):
            firm.deals.append(Deal(id=n, steps=[Step(id=n * 10), Step(id=n * 10 + 1)]))
        session.flush()
        assert looked_up(statements) == 0
        session.commit()
    assert len(rows(engine, "SELECT id FROM refs_step WHERE id > 112")) == 20


def test_an_update_without_foreign_keys_looks_nothing_up(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.get_one(Deal, 11).note = "changed"
        with sent(engine) as statements:
            session.flush()
        session.execute(update(DEAL).values(note="again"))
    assert looked_up(statements) == 0


def test_a_core_statement_looks_all_its_rows_up_at_once(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection, sent(engine) as statements:
        many = [{"id": n, "firm_id": 1 + 2 * (n % 2)} for n in range(20, 220)]
        connection.execute(insert(DEAL), many)
    assert looked_up(statements) == 1


def test_a_core_statement_in_batches_looks_up_once(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection, sent(engine) as statements:
        many = [{"id": n, "firm_id": 1} for n in range(1000, 3500)]
        connection.execute(insert(DEAL).returning(DEAL.c.id), many)
    assert looked_up(statements) == 1
    assert len(rows(engine, "SELECT id FROM refs_deal WHERE id >= 1000")) == 2500


@pytest.mark.parametrize("where", ["sqlite", "mariadb"])
def test_keys_given_as_strings_are_asked_for_once(where: DatabaseName) -> None:
    numbers = range(10_000, 13_000)
    with folders(where) as engine:
        run(engine, insert(FIRM), [{"id": n} for n in numbers])
        with tenant_scope("acme"), engine.begin() as connection, sent(engine) as statements:
            many: list[Any] = [{"id": n, "firm_id": str(n)} for n in numbers]
            connection.execute(insert(DEAL), many)
        assert looked_up(statements) == 1
        assert len(rows(engine, "SELECT id FROM refs_deal WHERE id >= 10000")) == 3000
        refused(engine, insert(DEAL), [*many[:5], {"id": 99, "firm_id": "2"}])
        refused(engine, insert(DEAL), [*many[:5], {"id": 99, "firm_id": "02"}])


def test_very_many_different_references_are_checked_to_the_last(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(insert(FIRM), [{"id": n} for n in range(10_000, 22_000)])
        many = [{"id": n, "firm_id": n} for n in range(10_000, 22_000)]
        connection.execute(insert(DEAL), many)
    many = [{"id": n + 50_000, "firm_id": n} for n in range(10_000, 21_999)]
    refused(engine, insert(DEAL), [*many, {"id": 99_999, "firm_id": 2}])


# -- one flush within another ----------------------------------------------------


@contextmanager
def whenever(name: str, act: Callable[[Any], None]) -> Generator[None, None, None]:
    """Call ``act`` with each deal that a session writes."""

    def listener(mapper: Any, connection: Any, deal: Deal) -> None:
        act(deal)

    event.listen(Deal, name, listener)
    try:
        yield
    finally:
        event.remove(Deal, name, listener)


def test_what_a_flush_has_looked_up_proves_nothing_to_another_tenant(engine: Engine) -> None:
    def write(deal: Deal) -> None:
        with tenant_scope("globex"):
            connection.execute(insert(DEAL).values(id=51, firm_id=3))

    with tenant_scope("acme"), engine.connect() as connection:
        session = Session(connection)
        session.add(Deal(id=50, firm_id=3))
        with whenever("after_insert", write), pytest.raises(CrossTenantAccessError):
            session.flush()
        session.close()


def test_what_another_session_inserts_meanwhile_proves_nothing_to_a_flush(engine: Engine) -> None:
    theirs = Firm(id=60)

    def write(deal: Deal) -> None:
        if deal.id == 51:
            with tenant_scope("globex"), Session(connection) as other:
                other.add(theirs)
                other.flush()

    with tenant_scope("acme"), engine.connect() as connection:
        session = Session(connection)
        session.add_all([Deal(id=50, firm_id=1), Deal(id=51, firm_id=60)])
        with whenever("before_insert", write), pytest.raises(CrossTenantAccessError):
            session.flush()
        session.close()
