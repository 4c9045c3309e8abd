"""What a statement writes, judged by the rows that are changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import pytest
from sqlalchemy import (
    Column,
    Date,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    bindparam,
    cast,
    column,
    create_engine,
    delete,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    table,
    text,
    type_coerce,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite

from tenantshield_mw import CrossTenantAccessError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.databases import NAMES, DatabaseName, database, require
from tests.drivers import with_driver

from ..watching import fill, rows
from .shop import ITEM, REGION, SALE, SHOP, refused, seed


def test_an_update_and_a_delete_change_the_tenants_rows_only(any_engine: Engine) -> None:
    fill(any_engine, "DELETE FROM comp_item")
    with tenant_scope("acme"), any_engine.begin() as connection:
        assert connection.execute(update(SALE).values(amount=SALE.c.amount + 1)).rowcount == 2
        gone = connection.execute(delete(SALE).where(SALE.c.amount > 0))
        assert gone.rowcount == 2
    assert rows(any_engine, "SELECT id, amount FROM comp_sale ORDER BY id") == [
        (13, 1000),
        (14, 2000),
        (15, 4000),
    ]


class Lower(TypeDecorator[str]):
    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value.lower()


class LowerInSql(TypeDecorator[str]):
    impl = String
    cache_ok = True

    def bind_expression(self, bindparam: Any) -> Any:
        return func.lower(bindparam)


OTHER_TYPES: Final = (Lower(), LowerInSql(), String(2), LargeBinary())


def of_type(type_: Any) -> Iterator[Any]:
    """The tenant "Acme" as values of another type."""
    yield bindparam("given", "Acme", type_=type_)
    yield bindparam("given", "Acme", type_=type_, literal_execute=True)
    yield bindparam(None, "Acme", type_=type_, unique=True)
    yield literal("Acme", type_)


@pytest.mark.parametrize("type_", OTHER_TYPES, ids=lambda each: type(each).__name__)
def test_a_tenant_is_stored_by_the_columns_own_type(any_engine: Engine, type_: Any) -> None:
    upsert: Any = mysql if any_engine.dialect.name == "mariadb" else sqlite
    if any_engine.dialect.name == "postgresql":
        upsert = postgresql
    for number, value in enumerate(of_type(type_), 100):
        into = upsert.insert(SHOP).values(id=number)
        change = {"tenant_id": value, "name": "set"}
        if upsert is mysql:
            set_ = into.on_duplicate_key_update(change)
        else:
            set_ = into.on_conflict_do_update(index_elements=["id"], set_=change)
        with tenant_scope("Acme"), any_engine.begin() as connection:
            connection.execute(insert(SHOP).values(id=number, tenant_id=value))
            connection.execute(update(SHOP).values(tenant_id=value))
            connection.execute(set_)
            connection.execute(
                insert(SHOP).values([{"id": number + 10, "tenant_id": value}, {"id": number + 20}])
            )
    found = rows(any_engine, "SELECT tenant_id, name FROM comp_shop WHERE id >= 100")
    assert {tenant for tenant, _ in found} == {"Acme"}
    assert [name for _, name in found].count("set") == 4


@pytest.mark.parametrize("type_", OTHER_TYPES, ids=lambda each: type(each).__name__)
def test_a_tenant_that_is_computed_by_a_type_is_refused(engine: Engine, type_: Any) -> None:
    for value in (type_coerce("acme", type_), cast("acme", type_)):
        refused(engine, insert(SHOP).values(id=9, tenant_id=value), CrossTenantAccessError)
        refused(engine, update(SHOP).values(tenant_id=value), CrossTenantAccessError)


def test_an_executemany_update_changes_the_tenants_rows_only(any_engine: Engine) -> None:
    statement = update(SHOP).where(SHOP.c.id == bindparam("which")).values(name=bindparam("to"))
    with tenant_scope("acme"), any_engine.begin() as connection:
        connection.execute(statement, [{"which": n, "to": "hit"} for n in (1, 2, 3, 4)])
    assert rows(any_engine, "SELECT id FROM comp_shop WHERE name = 'hit' ORDER BY id") == [
        (1,),
        (2,),
    ]


def test_a_tied_table_is_updated_and_deleted_in_the_tenants_rows_only(any_engine: Engine) -> None:
    with tenant_scope("acme"), any_engine.begin() as connection:
        assert connection.execute(update(ITEM).values(sale_id=12)).rowcount == 1
        assert connection.execute(delete(ITEM)).rowcount == 1
    assert rows(any_engine, "SELECT id, sale_id FROM comp_item") == [(113, 13)]


def test_an_update_from_another_table_reads_the_tenants_rows_only(any_engine: Engine) -> None:
    statement = (
        update(SHOP).where(SHOP.c.id == SALE.c.shop_id).values(name="sold").where(SALE.c.amount > 9)
    )
    with tenant_scope("acme"), any_engine.begin() as connection:
        connection.execute(statement)
    assert rows(any_engine, "SELECT id FROM comp_shop WHERE name = 'sold'") == [(1,)]


@pytest.mark.parametrize("where", ["postgresql", "mariadb"])
def test_a_delete_using_another_table_reads_the_tenants_rows_only(where: DatabaseName) -> None:
    require(where)
    with database(where) as here:
        engine = seed(here.engine())
        # Not tenant-aware, so that only the other table of the statement is confined.
        using = delete(REGION).where(REGION.c.id == SHOP.c.id)
        with tenant_scope("acme"), engine.begin() as connection:
            connection.execute(delete(ITEM).where(ITEM.c.sale_id == SALE.c.id))
            connection.execute(using)
        assert rows(engine, "SELECT id FROM comp_item") == [(113,)]
        assert rows(engine, "SELECT id FROM comp_region") == [(3,)]
        engine.dispose()


@pytest.mark.parametrize("value", ["globex", None, SHOP.c.name, text("'globex'")])
def test_a_tenant_column_in_a_set_is_refused(engine: Engine, value: Any) -> None:
    refused(engine, update(SHOP).values(tenant_id=value), CrossTenantAccessError, match="comp_shop")
    refused(engine, update(SHOP).values({SHOP.c.tenant_id: value}), CrossTenantAccessError)
    refused(engine, update(SHOP).ordered_values((SHOP.c.tenant_id, value)), CrossTenantAccessError)


def test_a_tenant_column_is_set_to_the_tenant_that_it_has(engine: Engine) -> None:
    same = (SHOP.c.tenant_id, "acme")
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(update(SHOP).values(tenant_id="acme", name="same"))
        connection.execute(update(SHOP).values({same[0]: SHOP.c.tenant_id}))
        connection.execute(update(SHOP).ordered_values(same))
        connection.execute(update(SHOP).where(SHOP.c.id == 1), [{"tenant_id": "acme"}] * 2)
    assert {
        row[0] for row in rows(engine, "SELECT tenant_id FROM comp_shop WHERE name = 'same'")
    } == {"acme"}


def test_a_tenant_column_among_the_parameters_of_an_update_is_refused(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        for parameters in (
            {"tenant_id": "globex"},
            [{"tenant_id": "globex"}, {"tenant_id": "acme"}],
        ):
            with pytest.raises(CrossTenantAccessError):
                connection.execute(update(SHOP), parameters)
    assert len(rows(engine, "SELECT 1 FROM comp_shop WHERE tenant_id = 'acme'")) == 2


@pytest.mark.parametrize(
    "value", [func.lower("GLOBEX"), literal_column("'globex'"), text("'globex'"), literal("acme")]
)
def test_a_computed_tenant_in_an_insert_is_refused(engine: Engine, value: Any) -> None:
    statement = insert(SHOP).values(id=9, tenant_id=value)
    if isinstance(value, type(literal("acme"))):
        # A literal is a parameter like any other, and this one is right.
        with tenant_scope("acme"), engine.begin() as connection:
            connection.execute(statement)
    else:
        refused(engine, statement, CrossTenantAccessError)


@pytest.mark.parametrize(
    "statement",
    [
        insert(SHOP).prefix_with("OR REPLACE").values(id=3),
        insert(SHOP).prefix_with("OR  REPLACE").values(id=3),
        sqlite.insert(SHOP).prefix_with("or replace").values(id=3),
        insert(SHOP).prefix_with("OR /**/ REPLACE").values(id=3),
        insert(SHOP).prefix_with("OR -- x\nREPLACE").values(id=3),
        update(SHOP).prefix_with("OR REPLACE").values(id=3),
        insert(ITEM).prefix_with("OR REPLACE").values(id=113, sale_id=11),
    ],
)
def test_replace_is_refused_in_any_spelling(engine: Engine, statement: Any) -> None:
    before = rows(engine, "SELECT * FROM comp_shop")
    refused(engine, statement, match="REPLACE")
    assert rows(engine, "SELECT * FROM comp_shop") == before


def test_replace_as_a_value_or_a_function_stays_possible(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(update(SHOP).values(name=func.replace(SHOP.c.name, "a", "OR REPLACE")))
    assert rows(engine, "SELECT name FROM comp_shop WHERE id = 1") == [("OR REPLACE1",)]


def test_insert_or_ignore_stays_possible(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(insert(SHOP).prefix_with("OR IGNORE").values(id=3, name="mine"))
    assert rows(engine, "SELECT tenant_id FROM comp_shop WHERE id = 3") == [("globex",)]


def test_insert_from_select_takes_the_tenants_rows_and_stamps_them(any_engine: Engine) -> None:
    source = select(SHOP.c.id + 100, SHOP.c.name)
    with tenant_scope("acme"), any_engine.begin() as connection:
        connection.execute(insert(SHOP).from_select(["id", "name"], source))
    sql = "SELECT id, tenant_id FROM comp_shop WHERE id > 100 ORDER BY id"
    assert rows(any_engine, sql) == [(101, "acme"), (102, "acme")]


NOTHING: Final = {
    "null": null(),
    "coerced": type_coerce(None, Integer),
    "text": literal_column("NULL"),
    "parameter": literal(None, Integer),
}


@pytest.mark.parametrize("nothing", NOTHING)
def test_insert_from_select_takes_a_null_for_any_type(any_engine: Engine, nothing: str) -> None:
    sized = dated(any_engine)
    source = select(SHOP.c.id, NOTHING[nothing].label("size"))
    with tenant_scope("acme"), any_engine.begin() as connection:
        connection.execute(insert(sized).from_select(["id", "size"], source))
        found = connection.execute(select(sized.c.tenant_id, sized.c.size).distinct()).all()
    assert found == [("acme", None)]


def test_insert_from_select_takes_a_constant_for_the_type_of_its_column(any_engine: Engine) -> None:
    sized = dated(any_engine)
    source = select(SHOP.c.id, literal_column("'2026-11-27'").label("day")).distinct()
    with tenant_scope("acme"), any_engine.begin() as connection:
        connection.execute(insert(sized).from_select(["id", "day"], source))
        found = connection.execute(select(sized.c.tenant_id, sized.c.day).distinct()).all()
    assert found == [("acme", date(2026, 11, 27))]


def test_a_null_that_the_driver_writes_into_the_statement_is_of_any_type() -> None:
    with database("postgresql") as here:
        engine = seed(create_engine(with_driver(here.url, "psycopg2")))
        sized = dated(engine)
        source = select(SHOP.c.id, NOTHING["parameter"].label("size"))
        with tenant_scope("acme"), engine.begin() as connection:
            inserted = connection.execute(insert(sized).from_select(["id", "size"], source))
            assert inserted.rowcount == 2
        engine.dispose()


def test_raw_sql_that_is_no_constant_stays_in_its_select(any_engine: Engine) -> None:
    sized = dated(any_engine)
    source = select(SHOP.c.id, literal_column("length(name)").label("size"))
    with tenant_scope("acme"), any_engine.begin() as connection:
        connection.execute(insert(sized).from_select(["id", "size"], source))
        assert list(connection.scalars(select(sized.c.size))) == [2, 2]


def test_a_column_called_like_a_constant_is_none(engine: Engine) -> None:
    sized = dated(engine)
    odd = shared_across_tenants(
        Table("comp_odd", MetaData(), Column("id", Integer), Column("NULL", Integer))
    )
    odd.create(engine)
    fill(engine, "INSERT INTO comp_odd VALUES (1, 7)")
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(insert(sized).from_select(["id", "size"], select(odd)))
        assert list(connection.scalars(select(sized.c.size))) == [7]


def dated(engine: Engine) -> Table:
    made = tenant_aware(
        Table(
            "comp_sized",
            MetaData(),
            Column("id", Integer, primary_key=True, autoincrement=False),
            Column("tenant_id", String(50)),
            Column("size", Integer),
            Column("day", Date),
        )
    )
    with system_scope("tables"):
        made.create(engine)
    return made


def test_a_data_changing_cte_is_confined() -> None:
    changed = update(SHOP).values(name="x").returning(SHOP.c.id).cte("changed")
    with database("postgresql") as here:
        engine = seed(here.engine())
        with tenant_scope("acme"), engine.begin() as connection:
            found = connection.execute(select(changed.c.id).order_by(changed.c.id))
            assert list(found.scalars()) == [1, 2]
        assert rows(engine, "SELECT count(*) FROM comp_shop WHERE name = 'x'") == [(2,)]
        engine.dispose()


def test_returning_gives_the_tenants_rows_only(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        found = connection.execute(update(SHOP).values(name="x").returning(SHOP.c.id))
        assert sorted(found.scalars()) == [1, 2]
        new = connection.execute(insert(SHOP).values(id=9).returning(SHOP.c.tenant_id))
        assert new.scalar_one() == "acme"


@pytest.mark.parametrize("returning", [True, False])
@pytest.mark.parametrize("where", NAMES)
def test_a_key_may_be_counted_up_from_the_tenants_own_rows(
    where: DatabaseName, returning: bool
) -> None:
    require(where)
    metadata = MetaData()
    name = "comp_number"
    numbered = tenant_aware(
        Table(
            name,
            metadata,
            Column("tenant_id", String(20), primary_key=True),
            Column(
                "number",
                Integer,
                primary_key=True,
                autoincrement=False,
                # Some databases execute such a default before the INSERT, others within it.
                default=select(func.coalesce(func.max(column("number")), 0) + 1)
                .select_from(table(name))
                .scalar_subquery(),
            ),
            implicit_returning=returning,
        )
    )
    with database(where) as here:
        engine = here.engine()
        metadata.create_all(engine)
        for tenant in ("acme", "globex", "acme"):
            with tenant_scope(tenant), engine.begin() as connection:
                connection.execute(insert(numbered).values())
        assert rows(engine, f"SELECT * FROM {name} ORDER BY 1, 2") == [
            ("acme", 1),
            ("acme", 2),
            ("globex", 1),
        ]
        engine.dispose()
