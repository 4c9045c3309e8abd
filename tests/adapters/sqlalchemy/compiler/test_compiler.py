"""The place of the predicate, judged by the rows that are read and changed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import (
    Boolean,
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    and_,
    bindparam,
    column,
    delete,
    exists,
    func,
    insert,
    lateral,
    literal,
    literal_column,
    null,
    or_,
    select,
    table,
    text,
    true,
    tuple_,
    union_all,
    update,
    values,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DBAPIError, ObjectNotExecutableError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session, registry
from sqlalchemy.sql import quoted_name
from sqlalchemy.sql.expression import ClauseElement, ColumnElement, Executable

from tenantshield_mw import (
    CrossTenantAccessError,
    MissingTenantContextError,
    UnguardedStatementError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.databases import NAMES, DatabaseName, database, memory_engine, require
from tests.tstrings import Interpolated, tstring, written

from ..watching import fill, rows, sent

METADATA = MetaData()
SHOP = tenant_aware(
    Table(
        "comp_shop",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(20), nullable=False),
        Column("name", String(20)),
        Column("is_open", Boolean),
    )
)
SALE = tenant_aware(
    Table(
        "comp_sale",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(20), nullable=False),
        Column("shop_id", ForeignKey("comp_shop.id")),
        Column("amount", Integer),
    )
)
ITEM = Table(
    "comp_item",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("sale_id", ForeignKey("comp_sale.id"), nullable=False),
)
REGION = shared_across_tenants(
    Table("comp_region", METADATA, Column("id", Integer, primary_key=True))
)

SEED = (
    (
        "INSERT INTO comp_shop VALUES (1, 'acme', 'a1', {yes}), (2, 'acme', 'a2', {no}),"
        " (3, 'globex', 'g3', {yes}), (4, 'globex', 'g4', {no})"
    ),
    (
        "INSERT INTO comp_sale VALUES (11, 'acme', 1, 10), (12, 'acme', NULL, 20),"
        " (13, 'globex', 3, 1000), (14, 'globex', NULL, 2000), (15, 'globex', 1, 4000)"
    ),
    "INSERT INTO comp_item VALUES (111, 11), (113, 13)",
    "INSERT INTO comp_region VALUES (1), (3)",
)


def seed(engine: Engine) -> Engine:
    METADATA.create_all(engine)
    fill(engine, *(each.format(yes="true", no="false") for each in SEED))
    return engine


@pytest.fixture
def engine() -> Engine:
    return seed(memory_engine())


@pytest.fixture(params=NAMES)
def any_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    name: DatabaseName = request.param
    require(name)
    with database(name) as here:
        engine = seed(here.engine())
        yield engine
        engine.dispose()


def seen(engine: Engine, statement: Any, parameters: Any = None) -> list[tuple[Any, ...]]:
    with tenant_scope("acme"), engine.connect() as connection:
        found = connection.execute(statement, parameters).all()
    return sorted((tuple(row) for row in found), key=repr)


def refused(engine: Engine, statement: Any, *kinds: type[Exception], match: str = "") -> None:
    with (
        tenant_scope("acme"),
        engine.begin() as connection,
        sent(engine) as statements,
        pytest.raises(kinds or (UnguardedStatementError,), match=match or None),
    ):
        connection.execute(statement)
    assert statements == []


# -- SELECT ----------------------------------------------------------------------

sale, other = SALE.alias(), SALE.alias("other")
totals = select(SALE.c.shop_id, func.sum(SALE.c.amount).label("total")).group_by(SALE.c.shop_id)

READS: dict[str, tuple[Any, list[tuple[Any, ...]]]] = {
    "one table": (select(SHOP.c.id), [(1,), (2,)]),
    "a count": (select(func.count()).select_from(SHOP), [(2,)]),
    "an alias": (select(sale.c.id), [(11,), (12,)]),
    "a self-join": (
        select(sale.c.id, other.c.id).join_from(sale, other, sale.c.id < other.c.id),
        [(11, 12)],
    ),
    "an inner join": (select(SHOP.c.id, SALE.c.id).join_from(SHOP, SALE), [(1, 11)]),
    "a cross join": (
        select(SHOP.c.id, SALE.c.id).where(SHOP.c.id < SALE.c.id),
        [(1, 11), (1, 12), (2, 11), (2, 12)],
    ),
    "an outer join keeps its outer rows": (
        select(SHOP.c.id, SALE.c.id).outerjoin_from(SHOP, SALE),
        [(1, 11), (2, None)],
    ),
    "an outer join with a shared table on the left": (
        select(REGION.c.id, SHOP.c.id).outerjoin_from(REGION, SHOP, REGION.c.id == SHOP.c.id),
        [(1, 1), (3, None)],
    ),
    "an inner join nested on the right of an outer one": (
        select(REGION.c.id, SALE.c.id).select_from(
            REGION.outerjoin(SHOP.join(SALE), REGION.c.id == SHOP.c.id)
        ),
        [(1, 11), (3, None)],
    ),
    "an outer join onto a table tied by its key": (
        select(SALE.c.id, ITEM.c.id).outerjoin_from(SALE, ITEM),
        [(11, 111), (12, None)],
    ),
    "a tied table alone": (select(ITEM.c.id), [(111,)]),
    "a scalar subquery": (
        select(select(func.sum(SALE.c.amount)).scalar_subquery()),
        [(30,)],
    ),
    "a correlated subquery": (
        select(
            SHOP.c.id,
            select(func.count(SALE.c.id)).where(SALE.c.shop_id == SHOP.c.id).scalar_subquery(),
        ),
        [(1, 1), (2, 0)],
    ),
    "exists": (select(REGION.c.id).where(exists().where(SHOP.c.id == REGION.c.id)), [(1,)]),
    "not exists": (select(REGION.c.id).where(~exists().where(SHOP.c.id == REGION.c.id)), [(3,)]),
    "in": (select(REGION.c.id).where(REGION.c.id.in_(select(SHOP.c.id))), [(1,)]),
    "a derived table": (select(totals.subquery().c.total), [(10,), (20,)]),
    "a CTE": (select(totals.cte("t").c.total), [(10,), (20,)]),
    "a union": (union_all(select(SHOP.c.id), select(SALE.c.id)), [(1,), (11,), (12,), (2,)]),
    "having": (
        select(func.sum(SALE.c.amount)).having(func.sum(SALE.c.amount) > 100),
        [],
    ),
    "a window": (
        select(SALE.c.id, func.sum(SALE.c.amount).over()),
        [(11, 30), (12, 30)],
    ),
    "a condition with or": (
        select(SHOP.c.id).where(or_(SHOP.c.is_open, SHOP.c.id > 0)),
        [(1,), (2,)],
    ),
    "a condition that is always true": (select(SHOP.c.id).where(true()), [(1,), (2,)]),
    "an empty condition": (select(SHOP.c.id).where(and_(true())), [(1,), (2,)]),
    "a hand-written filter on the other tenant": (
        select(SHOP.c.id).where(SHOP.c.tenant_id == "globex"),
        [],
    ),
}


@pytest.mark.parametrize("form", READS)
def test_every_read_returns_the_tenants_rows_and_loses_none(any_engine: Engine, form: str) -> None:
    statement, expected = READS[form]
    assert seen(any_engine, statement) == expected


def test_a_lateral_subquery_is_confined() -> None:
    inner = select(SALE.c.id.label("id")).where(SALE.c.shop_id == REGION.c.id)
    per_region = lateral(inner, "per_region")
    statement = select(REGION.c.id, per_region.c.id).outerjoin_from(REGION, per_region, true())
    with database("postgresql") as here:
        engine = seed(here.engine())
        assert seen(engine, statement) == [(1, 11), (3, None)]
        engine.dispose()


def test_for_update_and_tablesample_are_confined() -> None:
    with database("postgresql") as here:
        engine = seed(here.engine())
        assert seen(engine, select(SHOP.c.id).with_for_update()) == [(1,), (2,)]
        sampled = SHOP.tablesample(100)
        assert seen(engine, select(sampled.c.id)) == [(1,), (2,)]
        assert seen(engine, select(SHOP).group_by(SHOP.c.id).with_only_columns(SHOP.c.name)) == [
            ("a1",),
            ("a2",),
        ]
        engine.dispose()


def test_a_recursive_cte_is_confined_in_both_parts(any_engine: Engine) -> None:
    walk = (
        select(SALE.c.id.label("id"), SALE.c.shop_id)
        .where(SALE.c.id == 11)
        .cte("walk", recursive=True)
    )
    walk = walk.union(select(SALE.c.id, SALE.c.shop_id).where(SALE.c.shop_id == walk.c.shop_id))
    # Sale 15 is the other tenant's, but refers to this tenant's shop.
    assert seen(any_engine, select(walk.c.id)) == [(11,)]


def test_values_and_tuples_beside_a_tenants_table_work(any_engine: Engine) -> None:
    if any_engine.dialect.name == "postgresql":
        wanted = values(column("id", Integer), name="wanted").data([(1,), (3,)])
        statement = select(SHOP.c.id).join_from(SHOP, wanted, SHOP.c.id == wanted.c.id)
        assert seen(any_engine, statement) == [(1,)]
    pairs = select(SHOP.c.id).where(tuple_(SHOP.c.id, SHOP.c.name).in_([(1, "a1"), (3, "g3")]))
    assert seen(any_engine, pairs) == [(1,)]


# -- FULL JOIN -------------------------------------------------------------------


def full(left: Any, right: Any, shop_column: Any, sale_column: Any) -> Any:
    return select(shop_column, sale_column).join_from(
        left, right, left.c.id == right.c.shop_id, full=True
    )


EXPECTED_FULL = [(1, 11), (2, None), (None, 12)]


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_a_full_join_shows_the_tenants_rows_of_both_sides(where: DatabaseName) -> None:
    shop, sale_ = SHOP.alias(), SALE.alias("The Sale")
    with database(where) as here:
        engine = seed(here.engine())
        assert seen(engine, full(SHOP, SALE, SHOP.c.id, SALE.c.id)) == EXPECTED_FULL
        assert seen(engine, full(shop, sale_, shop.c.id, sale_.c.id)) == EXPECTED_FULL
        assert seen(engine, full(shop, SALE, shop.c.id, SALE.c.id)) == EXPECTED_FULL
        nested = select(REGION.c.id, SHOP.c.id, SALE.c.id).select_from(
            REGION.join(
                SHOP.join(SALE, SHOP.c.id == SALE.c.shop_id, full=True),
                or_(REGION.c.id == SHOP.c.id, SHOP.c.id.is_(None)),
            )
        )
        assert seen(engine, nested) == [(1, 1, 11), (1, None, 12), (3, None, 12)]
        engine.dispose()


def test_a_full_join_of_tables_with_a_schema_is_confined() -> None:
    metadata = MetaData(schema="comp_other")
    shop = tenant_aware(
        Table(
            "comp_kiosk",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(20)),
        )
    )
    sale_ = tenant_aware(
        Table(
            "comp_receipt",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(20)),
            Column("shop_id", Integer),
        )
    )
    with database("postgresql") as here:
        here.run("CREATE SCHEMA comp_other")
        engine = here.engine()
        metadata.create_all(engine)
        fill(
            engine,
            "INSERT INTO comp_other.comp_kiosk VALUES (1, 'acme'), (2, 'acme'), (3, 'globex')",
            "INSERT INTO comp_other.comp_receipt VALUES (11, 'acme', 1), (12, 'acme', NULL),"
            " (13, 'globex', 3), (14, 'globex', 1)",
        )
        assert seen(engine, full(shop, sale_, shop.c.id, sale_.c.id)) == EXPECTED_FULL
        filtered = full(shop, sale_, shop.c.id, sale_.c.id).where(sale_.c.id > 0)
        assert seen(engine, filtered.order_by(shop.c.id)) == [(1, 11), (None, 12)]
        engine.dispose()


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


ALIASED = SHOP.alias("z")
# Ends the SELECT at hand, so that its WHERE would become that of a SELECT on a table made up
# under the same alias.
OUTFLANKING = "WHERE id > 0 UNION SELECT 7 FROM (SELECT 'acme' AS tenant_id, 1 AS id) AS z"
RAW_FROM: dict[str, Any] = {
    "text": text(f"(SELECT 1 AS one) AS q {OUTFLANKING}"),
    "a name": table(quoted_name(f"(SELECT 1 AS one) AS q {OUTFLANKING}", False)),
    "a schema": table("q", schema=quoted_name(f"(SELECT 1) AS q {OUTFLANKING}, main", False)),
    "an alias": select(literal_column("1").label("one")).subquery(
        quoted_name(f"q {OUTFLANKING}", False)
    ),
}


@pytest.mark.filterwarnings("ignore:SELECT statement has a cartesian product")
@pytest.mark.parametrize("form", RAW_FROM)
def test_raw_sql_in_the_from_cannot_outflank_the_condition(any_engine: Engine, form: str) -> None:
    outflanked: Any = select(literal_column("z.id")).select_from(ALIASED, RAW_FROM[form])
    with tenant_scope("acme"), any_engine.connect() as connection:
        try:
            found = set(connection.execute(outflanked).scalars())
        except (UnguardedStatementError, DBAPIError):
            found = set()
    assert found <= {1, 2, 7}


def test_a_hint_on_a_table_cannot_outflank_the_condition() -> None:
    require("mariadb")
    with database("mariadb") as here:
        engine = seed(here.engine())
        refused(engine, select(ALIASED.c.id).with_hint(ALIASED, OUTFLANKING))
        hinted = select(SHOP.c.id).with_hint(SHOP, "USE INDEX (PRIMARY)")
        assert seen(engine, hinted) == [(1,), (2,)]
        engine.dispose()


def test_raw_sql_in_the_from_stays_possible_beside_a_tenants_table(engine: Engine) -> None:
    numbers = text("(SELECT 1 AS one UNION SELECT 2) AS numbers")
    statement = select(SHOP.c.id).join_from(SHOP, REGION, text("comp_region.id = 1"))
    assert seen(engine, statement) == [(1,), (2,)]
    assert seen(engine, select(text("one")).select_from(numbers)) == [(1,), (2,)]


def test_an_operator_made_of_raw_sql_cannot_widen(engine: Engine) -> None:
    widened = SHOP.c.id.op("= 0 OR 1 =")(1)
    assert seen(engine, select(SHOP.c.id).where(widened)) == [(1,), (2,)]
    refused(engine, select(SHOP.c.id).where(SHOP.c.id.op("= 0) OR (1 =")(1)))


def test_text_on_a_tenants_own_columns_works(any_engine: Engine) -> None:
    statement = select(SHOP.c.id).where(text("name = :wanted")).order_by(text("id DESC"))
    assert seen(any_engine, statement, {"wanted": "a2"}) == [(2,)]
    assert seen(any_engine, statement, {"wanted": "g3"}) == []


@pytest.mark.parametrize(
    "statement",
    [
        select(SHOP.c.id).prefix_with("1 AS id FROM comp_sale UNION SELECT"),
        select(SHOP.c.id).suffix_with("UNION SELECT id FROM comp_sale"),
        select(SHOP.c.id).with_statement_hint("UNION SELECT id FROM comp_shop"),
        select(REGION.c.id).suffix_with("OR id IN (SELECT id FROM comp_shop)"),
        insert(REGION).prefix_with("INTO comp_region SELECT id FROM comp_shop --"),
        update(REGION).values(id=text("(SELECT max(id) FROM comp_shop)")),
    ],
    ids=["prefix", "suffix", "statement hint", "shared suffix", "insert prefix", "update value"],
)
def test_a_prefix_suffix_or_hint_that_names_the_table_is_refused(
    engine: Engine, statement: Any
) -> None:
    refused(engine, statement, match="raw SQL names")


@pytest.mark.parametrize(
    "statement",
    [
        select(SHOP.c.id).suffix_with("OR 1 = 1"),
        select(SHOP.c.id).where(SHOP.c.id > 0).suffix_with("OR 1 = 1"),
        select(SHOP.c.id).with_statement_hint("OR 1 = 1"),
        select(SHOP.c.id).prefix_with("id FROM (SELECT 1 AS id) x UNION SELECT"),
        update(SHOP).values(name="hit").with_hint("--", dialect_name="*"),
        delete(SHOP).prefix_with("/*"),
    ],
    ids=["suffix", "suffix after where", "statement hint", "prefix", "hint", "delete prefix"],
)
def test_a_prefix_suffix_or_hint_cannot_widen_a_statement(engine: Engine, statement: Any) -> None:
    before = rows(engine, "SELECT * FROM comp_shop WHERE id > 2")
    try:
        with tenant_scope("acme"), engine.begin() as connection:
            result = connection.execute(statement)
            found = set(result.scalars()) if result.returns_rows else set()
    except (UnguardedStatementError, DBAPIError):
        found = set()
    assert found <= {1, 2}
    assert rows(engine, "SELECT * FROM comp_shop WHERE id > 2") == before


def test_harmless_prefixes_and_hints_stay_possible(engine: Engine) -> None:
    assert seen(engine, select(SHOP.c.id).prefix_with("ALL")) == [(1,), (2,)]
    assert seen(engine, select(SHOP.c.id).prefix_with("DISTINCT /* planner: fast */")) == [
        (1,),
        (2,),
    ]
    assert seen(engine, select(SHOP.c.id).suffix_with("-- asked by the report\n")) == [(1,), (2,)]


# -- constructs of the application's own -----------------------------------------


class Largest(ColumnElement[int]):
    inherit_cache = True
    type = Integer()


class Moment(ColumnElement[str]):
    inherit_cache = True
    type = String()


class Widening(ColumnElement[bool]):
    inherit_cache = True
    type = Boolean()


class Closing(ColumnElement[bool]):
    inherit_cache = True
    type = Boolean()


class Everything(Executable, ClauseElement):
    inherit_cache = False


class CopyInto(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, target: Table, source: Any) -> None:
        self.target, self.source = target, source


@compiles(Largest)
def _largest(element: Any, compiler: Any, **kw: Any) -> str:
    return "(SELECT max(id) FROM comp_sale)"


@compiles(Moment)
def _moment(element: Any, compiler: Any, **kw: Any) -> str:
    return "CURRENT_TIMESTAMP"


@compiles(Widening)
def _widening(element: Any, compiler: Any, **kw: Any) -> str:
    return "1 = 1 OR 1 = 1"


@compiles(Closing)
def _closing(element: Any, compiler: Any, **kw: Any) -> str:
    return "1 = 1) OR (1 = 1"


@compiles(Everything)
def _everything(element: Any, compiler: Any, **kw: Any) -> str:
    return "SELECT * FROM comp_shop"


@compiles(CopyInto)
def _copy_into(element: Any, compiler: Any, **kw: Any) -> str:
    target = compiler.process(element.target, asfrom=True, **kw)
    return f"INSERT INTO {target} {compiler.process(element.source, **kw)}"


def test_a_construct_that_renders_the_tables_name_is_refused(engine: Engine) -> None:
    refused(engine, select(Largest()), match="comp_sale")
    refused(engine, select(REGION.c.id).where(REGION.c.id < Largest()))
    refused(engine, Everything(), match="comp_shop")


def test_a_construct_that_writes_the_table_by_itself_is_refused(engine: Engine) -> None:
    refused(engine, CopyInto(REGION, select(SHOP.c.id).where(text("1 = 1")).where(Largest() > 0)))
    refused(engine, CopyInto(SHOP, select(REGION.c.id, literal("globex"))), match="comp_shop")
    assert len(rows(engine, "SELECT id FROM comp_shop")) == 4


def test_a_construct_cannot_widen_a_statement(engine: Engine) -> None:
    assert seen(engine, select(SHOP.c.id).where(Widening())) == [(1,), (2,)]
    refused(engine, select(SHOP.c.id).where(Closing()))
    refused(engine, update(SHOP).where(Closing()).values(name="x"))
    refused(engine, delete(SHOP).where(Closing()))
    refused(engine, select(REGION.c.id).where(exists().where(SHOP.c.id > 0, Closing())))


def test_a_construct_without_any_table_works(engine: Engine) -> None:
    assert len(seen(engine, select(SHOP.c.id, Moment()))) == 2


# -- writes ----------------------------------------------------------------------


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


def upsert(engine: Engine, **given: Any) -> Any:
    if engine.dialect.name == "mariadb":
        return mysql.insert(SHOP).values(**given).on_duplicate_key_update(name=given["name"])
    dialect: Any = sqlite if engine.dialect.name == "sqlite" else postgresql
    return (
        dialect.insert(SHOP)
        .values(**given)
        .on_conflict_do_update(index_elements=["id"], set_={"name": given["name"]})
    )


def test_an_upsert_changes_a_row_of_the_tenant_only(any_engine: Engine) -> None:
    with tenant_scope("acme"), any_engine.begin() as connection:
        for number in (1, 3, 5):
            connection.execute(upsert(any_engine, id=number, name="upserted"))
    expected = [(1, "acme"), (5, "acme")]
    sql = "SELECT id, tenant_id FROM comp_shop WHERE name = 'upserted' ORDER BY id"
    assert rows(any_engine, sql) == expected


def test_an_upsert_that_sets_the_tenant_is_refused(engine: Engine) -> None:
    statement = (
        sqlite.insert(SHOP)
        .values(id=3)
        .on_conflict_do_update(index_elements=["id"], set_={"tenant_id": "globex"})
    )
    refused(engine, statement, CrossTenantAccessError)


def test_an_upsert_may_set_every_column_to_what_was_to_be_inserted(engine: Engine) -> None:
    made = sqlite.insert(SHOP).values(id=1, name="whole")
    statement = made.on_conflict_do_update(
        index_elements=["id"], set_={each.name: made.excluded[each.name] for each in SHOP.c}
    )
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(statement)
    found = rows(engine, "SELECT tenant_id, name FROM comp_shop WHERE id = 1")
    assert found == [("acme", "whole")]


class Shop:
    """A row of comp_shop, for a session."""


registry().map_imperatively(Shop, SHOP)


def duplicate(target: Any, **given: Any) -> Any:
    return mysql.insert(target).values(**given).on_duplicate_key_update(id=given.get("id"))


@pytest.mark.parametrize("own", [1, 3, 5])
@pytest.mark.parametrize(
    "form", ["core", "orm", "executemany", "executemany of the orm", "defaults", "tied"]
)
def test_an_upsert_does_not_return_the_existing_row(form: str, own: int) -> None:
    require("mariadb")
    statement, many = {
        "core": (duplicate(SHOP, id=own, name="x").returning(SHOP.c.name), None),
        "orm": (duplicate(Shop, id=own, name="x").returning(Shop), None),
        "executemany": (
            mysql.insert(SHOP).on_duplicate_key_update(name="x").returning(SHOP.c.name),
            [{"id": own}, {"id": 6}],
        ),
        "executemany of the orm": (
            mysql.insert(Shop).on_duplicate_key_update(name="x").returning(Shop),
            [{"id": own}, {"id": 6}],
        ),
        "defaults": (duplicate(SHOP, id=own, name="x").return_defaults(), None),
        "tied": (duplicate(ITEM, id=113, sale_id=11).returning(ITEM.c.sale_id), None),
    }[form]
    with database("mariadb") as here:
        engine = seed(here.engine())
        with tenant_scope("acme"), Session(engine) as session:
            session.connection()
            with (
                sent(engine) as statements,
                pytest.raises(UnguardedStatementError, match="leave RETURNING out"),
            ):
                session.execute(statement, many)
            assert statements == []
        engine.dispose()


def test_an_upsert_does_not_request_the_key_of_the_existing_row() -> None:
    require("mariadb")
    metadata = MetaData()
    table = tenant_aware(
        Table(
            "comp_keyed",
            metadata,
            Column("id", String(20), primary_key=True, server_default="new"),
            Column("tenant_id", String(20), nullable=False),
            Column("slug", String(20), unique=True),
        )
    )
    with database("mariadb") as here:
        engine = here.engine()
        metadata.create_all(engine)
        fill(engine, "INSERT INTO comp_keyed VALUES ('secret', 'globex', 'taken')")
        with tenant_scope("acme"), engine.begin() as connection:
            made = connection.execute(duplicate(table, slug="taken"))
            assert made.inserted_primary_key == (None,)
            plain = connection.execute(insert(table).values(slug="free"))
            assert plain.inserted_primary_key == ("new",)
        assert rows(engine, "SELECT id, tenant_id FROM comp_keyed ORDER BY id") == [
            ("new", "acme"),
            ("secret", "globex"),
        ]
        engine.dispose()


def test_insert_from_select_takes_the_tenants_rows_and_stamps_them(any_engine: Engine) -> None:
    source = select(SHOP.c.id + 100, SHOP.c.name)
    with tenant_scope("acme"), any_engine.begin() as connection:
        connection.execute(insert(SHOP).from_select(["id", "name"], source))
    sql = "SELECT id, tenant_id FROM comp_shop WHERE id > 100 ORDER BY id"
    assert rows(any_engine, sql) == [(101, "acme"), (102, "acme")]


def test_insert_from_select_takes_a_null_for_any_type(any_engine: Engine) -> None:
    sized = tenant_aware(
        Table(
            "comp_sized",
            MetaData(),
            Column("id", Integer, primary_key=True, autoincrement=False),
            Column("tenant_id", String(50)),
            Column("size", Integer),
        )
    )
    with system_scope("tables"):
        sized.create(any_engine)
    source = select(SHOP.c.id, null().label("size"))
    with tenant_scope("acme"), any_engine.begin() as connection:
        connection.execute(insert(sized).from_select(["id", "size"], source))
        found = connection.execute(select(sized.c.tenant_id, sized.c.size).distinct()).all()
    assert found == [("acme", None)]


def test_an_upsert_from_select_is_understood(any_engine: Engine) -> None:
    name = any_engine.dialect.name
    if name == "mariadb":
        statement: Any = mysql.insert(SHOP).from_select(
            ["id", "name"], select(SHOP.c.id, literal("z")).where(SHOP.c.id == 1)
        )
        statement = statement.on_duplicate_key_update(name=statement.inserted.name)
    else:
        # SQLite needs a WHERE; otherwise it reads ON as that of a join.
        made: Any = sqlite if name == "sqlite" else postgresql
        statement = made.insert(SHOP).from_select(
            ["id", "name"], select(SHOP.c.id, literal("z")).where(SHOP.c.id == 1)
        )
        statement = statement.on_conflict_do_update(
            index_elements=["id"], set_={"name": statement.excluded.name}
        )
    with tenant_scope("acme"), any_engine.begin() as connection:
        connection.execute(statement)
    assert rows(any_engine, "SELECT name FROM comp_shop WHERE id = 1") == [("z",)]


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


# -- stored, compiled and new forms ----------------------------------------------


def test_a_statement_compiled_beforehand_is_confined_or_not_executable(engine: Engine) -> None:
    before: Any = select(SHOP.c.id).compile(engine)
    with tenant_scope("acme"), engine.connect() as connection:
        try:
            assert sorted(connection.execute(before).scalars()) == [1, 2]
        except ObjectNotExecutableError:
            assert sqlalchemy.__version__ >= "2.1"
    with (
        engine.connect() as connection,
        pytest.raises((MissingTenantContextError, ObjectNotExecutableError)),
    ):
        connection.execute(before)


def test_a_statement_compiled_in_the_system_scope_is_confined_outside(engine: Engine) -> None:
    with system_scope("prepare a statement"):
        before: Any = update(SHOP).values(name="hit").compile(engine)
    with tenant_scope("acme"), engine.begin() as connection:
        try:
            assert connection.execute(before, {"name": "hit"}).rowcount == 2
        except ObjectNotExecutableError:
            assert sqlalchemy.__version__ >= "2.1"
    assert rows(engine, "SELECT id FROM comp_shop WHERE name = 'hit' AND id > 2") == []


def test_a_statement_compiled_with_literals_is_confined_when_it_is_executed(
    engine: Engine,
) -> None:
    literal_sql = str(select(SHOP.c.id).compile(engine, compile_kwargs={"literal_binds": True}))
    refused(engine, text(literal_sql), match="comp_shop")


def test_a_bare_table_without_columns_is_confined(engine: Engine) -> None:
    bare = table("comp_shop")
    assert seen(engine, select(literal_column("id")).select_from(bare)) == [(1,), (2,)]
    assert seen(engine, select(func.count()).select_from(bare)) == [(2,)]
    assert seen(engine, select(text("*")).select_from(bare))[0][1] == "acme"


needs_21 = pytest.mark.skipif(
    not hasattr(sqlalchemy, "tstring"), reason="SQLAlchemy has had this since 2.1"
)


@needs_21
def test_a_template_string_that_names_the_table_is_refused(engine: Engine) -> None:
    refused(engine, tstring("SELECT id FROM comp_shop"))
    refused(engine, tstring("SELECT id FROM ", Interpolated(SHOP)))
    refused(engine, tstring("SELECT ", Interpolated(SHOP.c.id), " FROM ", Interpolated(SHOP)))


@needs_21
@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python has had this since 3.14")
def test_a_template_string_that_python_made_is_treated_alike(engine: Engine) -> None:
    refused(engine, written("SELECT id FROM {shop}", shop=SHOP))
    inner = select(func.count()).select_from(SHOP).scalar_subquery()
    assert seen(engine, written("SELECT {inner}", inner=inner)) == [(2,)]
    region = written("SELECT id FROM comp_region WHERE id = {number}", number=3)
    assert seen(engine, region) == [(3,)]


@needs_21
def test_a_template_string_with_a_guarded_subquery_is_confined(engine: Engine) -> None:
    inner = select(func.count()).select_from(SHOP).scalar_subquery()
    assert seen(engine, tstring("SELECT ", Interpolated(inner))) == [(2,)]


@needs_21
def test_a_template_string_cannot_widen_a_statement(engine: Engine) -> None:
    widening = tstring("1 = ", Interpolated(1), " OR 1 = 1")
    assert seen(engine, select(SHOP.c.id).where(widening)) == [(1,), (2,)]
    refused(engine, select(SHOP.c.id).where(tstring("1 = 1) OR (1 = 1")))


@needs_21
def test_a_template_string_on_shared_tables_works(engine: Engine) -> None:
    statement = tstring("SELECT id FROM comp_region WHERE id = ", Interpolated(3))
    assert seen(engine, statement) == [(3,)]


@needs_21
@pytest.mark.parametrize("kind", ["CreateTableAs", "CreateView"])
def test_a_stored_query_on_a_tenants_table_is_refused(engine: Engine, kind: str) -> None:
    make: Any = getattr(sqlalchemy, kind)
    refused(engine, make(select(SHOP.c.id), f"comp_stored_{kind.lower()}"))
    refused(engine, make(select(REGION.c.id).where(text("1 IN (SELECT id FROM comp_shop)")), "x"))
    assert rows(engine, "SELECT name FROM sqlite_master WHERE name LIKE 'comp_stored%'") == []


@needs_21
@pytest.mark.parametrize("kind", ["CreateTableAs", "CreateView"])
def test_a_stored_query_works_on_shared_tables_and_in_the_system_scope(
    engine: Engine, kind: str
) -> None:
    make: Any = getattr(sqlalchemy, kind)
    name = f"comp_kept_{kind.lower()}"
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(make(select(REGION.c.id), f"{name}_shared"))
    with system_scope("a report over all tenants"), engine.begin() as connection:
        connection.execute(make(select(SHOP.c.id), f"{name}_all"))
    assert len(rows(engine, f"SELECT id FROM {name}_shared")) == 2
    assert len(rows(engine, f"SELECT id FROM {name}_all")) == 4


def test_literal_binds_at_execution_cannot_fix_a_tenant(engine: Engine) -> None:
    compiled = select(SHOP.c.id).compile(engine, compile_kwargs={"literal_binds": True})
    assert "acme" not in str(compiled)


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
