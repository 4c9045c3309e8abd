"""Raw SQL and constructs of the application's own, beside the predicate."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Engine,
    Integer,
    String,
    Table,
    delete,
    exists,
    insert,
    literal,
    literal_column,
    select,
    table,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import quoted_name
from sqlalchemy.sql.expression import ClauseElement, ColumnElement, Executable

from tenantshield_mw import UnguardedStatementError, tenant_scope
from tests.databases import database, require

from ..watching import rows
from .shop import REGION, SHOP, refused, seed, seen

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


class Spelled(ColumnElement[Any]):
    """A construct of the application that renders names as SQLAlchemy documents it."""

    inherit_cache = False
    type = String()

    def __init__(self, template: str) -> None:
        self.template = template


@compiles(Spelled)
def _spelled(element: Any, compiler: Any, **kw: Any) -> str:
    names = {"shop": "comp_shop", "region": "comp_region", "id": "id"}
    quote = compiler.preparer.quote
    text: str = element.template.format(**{key: quote(name) for key, name in names.items()})
    return text


@pytest.mark.parametrize(
    "template",
    [
        "(SELECT min({shop}.name) FROM {region}, {shop})",
        "(SELECT min({shop}.name) FROM {region} AS r, {shop} AS s)",
        "(SELECT min(s.name) FROM {region} JOIN {region} AS r ON r.{id} = 1, {shop} AS s)",
        "(SELECT min(s.name) FROM (SELECT 1, 2) AS x, {shop} AS s)",
        "(SELECT 1 IS DISTINCT FROM 2, min({shop}.name) FROM {region}, {shop})",
    ],
)
def test_a_table_of_an_own_construct_is_found_after_a_comma(
    any_engine: Engine, template: str
) -> None:
    own = Spelled(template)
    for statement in (
        select(own),
        select(SHOP.c.id, own),
        select(REGION.c.id).where(own > "a"),
        update(SHOP).values(name=own),
        insert(SHOP).values(id=9, name=own),
    ):
        refused(any_engine, statement)


class Statement(Executable, ClauseElement):
    """A statement of the application's own."""

    inherit_cache = False

    def __init__(self, template: str) -> None:
        self.template = template


@compiles(Statement)
def _statement(element: Any, compiler: Any, **kw: Any) -> str:
    name: str = compiler.preparer.format_table(SHOP)
    return element.template.format(name)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "template",
    [
        "TRUNCATE {}",
        "REPLACE {} VALUES (3, 'acme', 'x', 1)",
        "INSERT {} VALUES (9, 'acme', 'x', 1)",
        "LOCK {}",
        "ANALYZE {}",
        "COPY {} TO '/tmp/x'",
        "TRUNCATE comp_region, {}",
        "SELECT row_to_json({0}) FROM comp_region, {0}",
        "SELECT * FROM comp_region STRAIGHT_JOIN {}",
    ],
)
def test_a_statement_of_the_applications_own_names_no_table(
    any_engine: Engine, template: str
) -> None:
    refused(any_engine, Statement(template))
    assert len(rows(any_engine, "SELECT id FROM comp_shop")) == 4


def test_columns_may_have_the_name_of_a_table(any_engine: Engine) -> None:
    """A comma between columns is not one between tables."""
    named = select(SHOP.c.id.label("comp_sale"), SHOP.c.name.label("comp_item"))
    inner = select(SHOP.c.id.label("comp_sale"), SHOP.c.name.label("comp_item")).subquery()
    ordered = select(inner.c.comp_sale, inner.c.comp_item).order_by(
        inner.c.comp_item, inner.c.comp_sale
    )
    assert len(seen(any_engine, named)) == 2
    assert seen(any_engine, ordered) == [(1, "a1"), (2, "a2")]


def test_nor_is_from_always_followed_by_a_table(any_engine: Engine) -> None:
    inner = select(
        SHOP.c.id.label("comp_sale"), SHOP.c.id.label("comp_item"), SHOP.c.name
    ).subquery()
    sale, item = inner.c.comp_sale, inner.c.comp_item
    assert seen(any_engine, select(sale).where(sale.is_distinct_from(item))) == []
    assert seen(any_engine, select(sale).where(literal(1).in_([sale, item]))) == [(1,)]
