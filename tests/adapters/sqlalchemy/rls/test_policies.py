"""What the policies let every client of PostgreSQL read and write."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import psycopg
import psycopg2.errors
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tenantshield_mw import TenantId, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls

from .conftest import Client, Read, RlsDatabase, by_cursor
from .models import Base, Bottle, Cellar, Child, Label, Tasting, mark

pytestmark = pytest.mark.usefixtures("rows")

INSUFFICIENT_PRIVILEGE = (
    psycopg.errors.InsufficientPrivilege,
    psycopg2.errors.InsufficientPrivilege,
)


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


def test_a_tenant_named_by_a_number_is_not_the_one_named_by_its_digits(
    app: Client, base: RlsDatabase
) -> None:
    base.here.run("INSERT INTO floor_by_integer VALUES (1, 7)")
    base.here.run("""INSERT INTO "floor Cellar" VALUES (70, '7', 'x', NULL)""")
    with tenant_scope("7"):
        assert app.session(lambda s: by_cursor(s, "SELECT * FROM floor_by_integer")) == []
    with tenant_scope(7):
        assert app.session(lambda s: by_cursor(s, """SELECT * FROM "floor Cellar" """)) == []


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


def test_a_composite_foreign_key_with_the_tenant_needs_no_look_up() -> None:
    mark()
    found = {each.name: each for each in rls.specs_of(Base.metadata)}
    assert found["floor_child"].references == ()
    assert Child.__tablename__ in found
