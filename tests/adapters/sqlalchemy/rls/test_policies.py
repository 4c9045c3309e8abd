"""What the policies let every client of PostgreSQL read and write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg
import psycopg2.errors
import pytest
from sqlalchemy import CHAR, Column, Integer, MetaData, String, Table, TypeDecorator, select
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.orm import Session

from tenantshield_mw import ConfigurationError, TenantId, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls, tenant_aware
from tests.databases import memory_engine

from .conftest import Client, RlsDatabase, by_cursor
from .models import KINDS, Base, Bottle, Cellar, Child, Label, Parent, Tasting, mark

Read = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module", autouse=True)
def tables(base: RlsDatabase) -> None:
    mark()
    base.create(Base.metadata)


@pytest.fixture(autouse=True)
def rows(base: RlsDatabase) -> None:
    """Give each of two tenants a cellar with a tasted bottle."""
    names = ", ".join(f'"{table.name}"' for table in Base.metadata.tables.values())
    base.here.run(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
    for number, tenant in enumerate(("acme", "globex"), 1):
        base.here.run(
            f"""INSERT INTO "floor Cellar" VALUES ({number}, '{tenant}', '{tenant}', NULL)""",
            f"INSERT INTO floor_bottle VALUES ({number}, {number}, '{tenant}')",
            f"INSERT INTO floor_tasting VALUES ({number}, {number}, '{tenant}')",
            f"INSERT INTO floor_label VALUES ({number}, '{tenant}', {number})",
        )


INSUFFICIENT_PRIVILEGE = (
    psycopg.errors.InsufficientPrivilege,
    psycopg2.errors.InsufficientPrivilege,
)


@pytest.fixture(params=["psycopg", "psycopg2"])
def app(base: RlsDatabase, request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(base, request.param)
    yield client
    client.close()


def refused(app: Client, tenant: TenantId, sql: str) -> str:
    """Run ``sql`` on the driver's cursor; return the policy that refuses it."""

    def run(session: Session) -> str:
        with pytest.raises(INSUFFICIENT_PRIVILEGE) as caught:
            by_cursor(session, sql)
        return str(caught.value)

    with tenant_scope(tenant):
        return app.session(run)


def done(app: Client, tenant: TenantId, sql: str) -> None:
    def run(session: Session) -> None:
        by_cursor(session, sql)
        session.commit()

    with tenant_scope(tenant):
        app.session(run)


@pytest.mark.parametrize("table", ['"floor Cellar"', "floor_bottle", "floor_tasting"])
def test_a_cursor_reads_the_tenants_rows_alone(app: Client, table: str) -> None:
    column = "note" if table == "floor_tasting" else "name"
    for tenant in ("acme", "globex"):
        with tenant_scope(tenant):
            found = app.session(lambda s: by_cursor(s, f"SELECT {column} FROM {table}"))
        assert found == [(tenant,)]


def test_without_a_tenant_a_cursor_reads_nothing(app: Client) -> None:
    assert app.session(lambda s: by_cursor(s, 'SELECT * FROM "floor Cellar"')) == []
    assert app.session(lambda s: by_cursor(s, "SELECT * FROM floor_tasting")) == []


def test_a_cursor_writes_the_tenants_rows_alone(app: Client, everything: Read) -> None:
    done(app, "acme", "UPDATE floor_bottle SET name = 'x'")
    done(app, "acme", """DELETE FROM "floor Cellar" WHERE id = 2""")
    assert everything("SELECT id, name FROM floor_bottle ORDER BY id") == [(1, "x"), (2, "globex")]
    assert len(everything('SELECT * FROM "floor Cellar"')) == 2


@pytest.mark.parametrize(
    "sql",
    [
        """INSERT INTO "floor Cellar" VALUES (9, 'globex', 'x', NULL)""",
        """UPDATE "floor Cellar" SET "Tenant Id" = 'globex'""",
        "INSERT INTO floor_bottle VALUES (9, 2, 'x')",
        "UPDATE floor_bottle SET cellar_id = 2",
        "INSERT INTO floor_tasting VALUES (9, 2, 'x')",
        # References that PostgreSQL's own foreign key check would accept.
        "INSERT INTO floor_label VALUES (9, 'acme', 2)",
        "UPDATE floor_label SET cellar_id = 2",
        """INSERT INTO "floor Cellar" VALUES (9, 'acme', 'x', 2)""",
    ],
)
def test_a_row_of_or_for_another_tenant_is_not_written(
    app: Client, everything: Read, sql: str
) -> None:
    before = everything("SELECT * FROM floor_label"), everything('SELECT * FROM "floor Cellar"')
    assert "row-level security" in refused(app, "acme", sql)
    assert before == (
        everything("SELECT * FROM floor_label"),
        everything('SELECT * FROM "floor Cellar"'),
    )


def test_a_row_may_refer_to_itself_and_to_one_of_the_same_statement(
    app: Client, everything: Read
) -> None:
    done(app, "acme", """INSERT INTO "floor Cellar" VALUES (10, 'acme', 'self', 10)""")
    done(
        app,
        "acme",
        """INSERT INTO "floor Cellar" VALUES (20, 'acme', 'a', NULL), (21, 'acme', 'b', 20)""",
    )
    assert len(everything("""SELECT * FROM "floor Cellar" WHERE id >= 10""")) == 3


def test_an_upsert_by_a_cursor_does_not_take_another_tenants_row_over(
    app: Client, everything: Read
) -> None:
    sql = (
        """INSERT INTO "floor Cellar" VALUES (2, 'acme', 'x', NULL) """
        "ON CONFLICT (id) DO UPDATE SET name = 'taken'"
    )
    assert "row-level security" in refused(app, "acme", sql)
    assert everything("""SELECT name FROM "floor Cellar" WHERE id = 2""") == [("globex",)]


@pytest.mark.parametrize("model", KINDS)
def test_a_tenant_column_of_each_type_is_compared_as_it_is(
    app: Client, everything: Read, model: Any
) -> None:
    mine, theirs = KINDS[model]
    for tenant in (mine, theirs):
        with tenant_scope(tenant):

            def add(session: Session) -> None:
                session.add(model())
                session.commit()

            app.session(add)

    assert len(everything(f"SELECT * FROM {model.__tablename__}")) == 2
    for tenant, number in ((mine, 1), (theirs, 2)):
        with tenant_scope(tenant):
            found = app.session(lambda s: by_cursor(s, f"SELECT id FROM {model.__tablename__}"))
        assert found == [(number,)]


def test_a_tenant_named_by_a_number_is_not_the_one_named_by_its_digits(
    app: Client, base: RlsDatabase
) -> None:
    base.here.run("INSERT INTO floor_by_integer VALUES (1, 7)")
    base.here.run("""INSERT INTO "floor Cellar" VALUES (70, '7', 'x', NULL)""")
    with tenant_scope("7"):
        assert app.session(lambda s: by_cursor(s, "SELECT * FROM floor_by_integer")) == []
    with tenant_scope(7):
        assert app.session(lambda s: by_cursor(s, """SELECT * FROM "floor Cellar" """)) == []


@pytest.mark.parametrize("tenant", ["o'reilly", 'a"b', "back\\slash", "%s", "a;b", "ümläut"])
def test_any_name_of_a_tenant_is_taken_as_it_is(app: Client, everything: Read, tenant: str) -> None:
    def add(session: Session) -> list[tuple[Any, ...]]:
        session.add(Parent())
        session.commit()
        return by_cursor(session, "SELECT tenant_id FROM floor_parent")

    with tenant_scope(tenant):
        assert app.session(add) == [(tenant,)]
    assert everything("SELECT tenant_id FROM floor_parent") == [(tenant,)]


def test_a_view_and_functions_show_the_tenants_rows_alone(app: Client, base: RlsDatabase) -> None:
    body = "SELECT name FROM floor_bottle"
    returns = f"RETURNS SETOF text LANGUAGE sql AS $$ {body} $$"
    with base.engine(base.owner).begin() as connection:
        for statement in (
            f"CREATE OR REPLACE VIEW floor_seen AS {body}",
            f"CREATE OR REPLACE FUNCTION floor_peek() {returns}",
            f"CREATE OR REPLACE FUNCTION floor_definer() {returns}",
            "ALTER FUNCTION floor_definer() SECURITY DEFINER",
        ):
            connection.connection.cursor().execute(statement)
    base.grant()
    with tenant_scope("acme"):
        for source in ("floor_seen", "floor_peek()", "floor_definer()"):
            found = app.session(partial(by_cursor, sql=f"SELECT * FROM {source}"))
            assert found == [("acme",)]


def test_the_policies_hold_for_the_owner_of_the_tables_too(base: RlsDatabase) -> None:
    owner = Client(base, "psycopg", role=base.owner, system_role=None)
    try:
        with tenant_scope("acme"):
            found = owner.session(lambda s: by_cursor(s, "SELECT name FROM floor_bottle"))
    finally:
        owner.close()
    assert found == [("acme",)]


def test_an_additional_permissive_policy_exposes_no_more_rows(
    app: Client, base: RlsDatabase
) -> None:
    base.here.run("CREATE POLICY everybody ON floor_bottle USING (true)")
    try:
        with tenant_scope("acme"):
            found = app.session(lambda s: by_cursor(s, "SELECT name FROM floor_bottle"))
    finally:
        base.here.run("DROP POLICY everybody ON floor_bottle")
    assert found == [("acme",)]


def test_guard_and_policies_together_see_what_each_alone_would(app: Client) -> None:
    with tenant_scope("acme"):
        for model in (Cellar, Bottle, Tasting, Label):
            assert app.session(partial(_ids, model=model)) == [1]


def _ids(session: Session, model: Any) -> list[int]:
    return list(session.scalars(select(model.id)))


def test_the_planner_evaluates_the_setting_once_and_can_use_an_index(
    app: Client, base: RlsDatabase
) -> None:
    base.here.run(
        """INSERT INTO "floor Cellar" SELECT n, 't' || n % 500, 'x', NULL """
        "FROM generate_series(1000, 30000) n",
        'ANALYZE "floor Cellar"',
    )
    with tenant_scope("t7"):
        plan = "\n".join(
            line
            for (line,) in app.session(
                lambda s: by_cursor(s, """EXPLAIN SELECT * FROM "floor Cellar" """)
            )
        )
    assert len(re.findall(r"^ *InitPlan", plan, re.MULTILINE)) == 1
    assert "Index Cond" in plan
    assert "Filter" not in plan


def test_policies_can_be_created_again_and_dropped(base: RlsDatabase, everything: Read) -> None:
    # Other tests may have created some for their own tables.
    tables = ", ".join(f"'{each.name}'" for each in Base.metadata.tables.values())
    mine = f"SELECT count(*) FROM pg_policies WHERE tablename IN ({tables})"
    before = everything(mine)
    with base.engine(base.owner).begin() as connection:
        rls.create_policies(connection, Base.metadata)
    assert everything(mine) == before

    with base.engine(base.owner).begin() as connection:
        rls.drop_policies(connection, Base.metadata)
    try:
        secured = f"SELECT count(*) FROM pg_class WHERE relname IN ({tables}) AND relrowsecurity"
        assert (everything(mine), everything(secured)) == ([(0,)], [(0,)])
        functions = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'tenantshield%'"
        assert everything(functions) == [(0,)]
    finally:
        with base.engine(base.owner).begin() as connection:
            rls.create_policies(connection, Base.metadata)
    assert everything(mine) == before


def test_a_composite_foreign_key_with_the_tenant_needs_no_look_up() -> None:
    mark()
    found = {each.name: each for each in rls.specs_of(Base.metadata)}
    assert found["floor_child"].references == ()
    assert Child.__tablename__ in found


def test_policies_are_for_postgresql() -> None:
    engine = memory_engine()
    with engine.connect() as connection, pytest.raises(ConfigurationError, match="PostgreSQL"):
        rls.create_policies(connection, MetaData())
    engine.dispose()


class Shouting(TypeDecorator[str]):
    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value.upper()


@pytest.mark.parametrize(
    ("type_", "reason"),
    [
        (Shouting(), "changes values"),
        (CITEXT(), "as equal"),
        (String(collation="x"), "as equal"),
    ],
)
def test_a_column_that_the_database_cannot_compare_as_it_is_is_refused(
    type_: Any, reason: str
) -> None:
    metadata = MetaData()
    name = f"floor_odd_{type(type_).__name__}_{getattr(type_, 'collation', None)}".lower()
    tenant_aware(
        Table(name, metadata, Column("id", Integer, primary_key=True), Column("tenant_id", type_))
    )
    with pytest.raises(ConfigurationError, match=reason):
        rls.policy_statements(metadata)


def test_a_schema_and_names_with_quotes_are_written_as_they_are(base: RlsDatabase) -> None:
    metadata = MetaData()
    name, schema = 'Odd "Table" %s', "Odd Schema"
    table = Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True),
        Column('The "Tenant"', CHAR(8)),
        Column("self", Integer),
        schema=schema,
    )
    tenant_aware(table, column='The "Tenant"')
    base.here.run(f'CREATE SCHEMA "{schema}" AUTHORIZATION {base.owner}')
    with base.engine(base.owner).begin() as connection:
        metadata.create_all(connection)
        rls.create_policies(connection, metadata)
    found = base.here.read(
        "SELECT schemaname, tablename, count(*) FROM pg_policies "
        "WHERE schemaname = %s GROUP BY 1, 2",
        [schema],
    )
    assert found == [(schema, name, 2)]
