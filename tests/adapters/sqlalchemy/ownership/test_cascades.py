"""The effects on tenants' rows when a row of a shared table is deleted or changed."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, table

from tenantshield_mw import UnguardedStatementError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.ownership.cascades import cascades, refuse_cascade
from tenantshield_mw.adapters.sqlalchemy.raw_sql.checks import RawText, Source, check
from tests.databases import memory_engine

from ..schemas import tenant_table
from ..watching import fill, rows

METADATA = MetaData()


def owned(name: str, *columns: Any) -> Table:
    return tenant_aware(tenant_table(name, METADATA, *columns))


def unowned(name: str, *columns: Any) -> Table:
    return Table(name, METADATA, Column("code", String(9), primary_key=True), *columns)


# Each shared table, and the tables that refer to it.
DELETES = shared_across_tenants(unowned("casc_deletes"))
owned("casc_deleted", Column("code", ForeignKey("casc_deletes.code", ondelete="CASCADE")))
CLEARS = shared_across_tenants(unowned("casc_clears"))
owned("casc_cleared", Column("code", ForeignKey("casc_clears.code", ondelete="set null")))
RESETS = shared_across_tenants(unowned("casc_resets"))
owned("casc_reset", Column("code", ForeignKey("casc_resets.code", ondelete="SET DEFAULT")))
RENAMES = shared_across_tenants(
    unowned("casc_renames", Column("label", String(9)), Column("number", Integer, key="n"))
)
owned("casc_renamed", Column("code", ForeignKey("casc_renames.code", onupdate="CASCADE")))
owned("casc_numbered", Column("number", ForeignKey("casc_renames.n", onupdate="CASCADE")))
RESTRICTS = shared_across_tenants(unowned("casc_restricts", Column("label", String(9))))
owned(
    "casc_restricted",
    Column("code", ForeignKey("casc_restricts.code", ondelete="RESTRICT", onupdate="NO ACTION")),
)
UNUSED = unowned("casc_unused")

# A chain through tables without a tenant, and one that ends before a tenant-aware table.
FIRST = unowned("casc_first")
SECOND = unowned("casc_second", Column("first", ForeignKey("casc_first.code", ondelete="CASCADE")))
owned("casc_third", Column("code", ForeignKey("casc_second.code", ondelete="CASCADE")))
STOPS = unowned("casc_stops")
unowned("casc_between", Column("stops", ForeignKey("casc_stops.code", ondelete="SET NULL")))
owned("casc_beyond", Column("code", ForeignKey("casc_between.code", ondelete="CASCADE")))

# A table that refers to itself, and rows that refer to the same tenant's rows.
TREE = unowned("casc_tree", Column("parent", ForeignKey("casc_tree.code", ondelete="CASCADE")))
PARENT = owned("casc_parent")
owned("casc_child", Column("parent_id", ForeignKey("casc_parent.id", ondelete="CASCADE")))
OUT = owned("casc_out")
unowned("casc_loose", Column("out_id", ForeignKey("casc_out.id", ondelete="CASCADE")))
owned("casc_back", Column("loose", ForeignKey("casc_loose.code", ondelete="CASCADE")))

REMEDY = r"tenantshield_reviewed.*system_scope\(\"why\"\)"


@pytest.mark.parametrize(
    ("target", "reached"),
    [
        (DELETES, "casc_deleted"),
        (CLEARS, "casc_cleared"),
        (RESETS, "casc_reset"),
        (FIRST, "casc_third"),
        (SECOND, "casc_third"),
        (OUT, "casc_back"),
        (table("casc_deletes"), "casc_deleted"),
        (table("CASC_DELETES", schema="main"), "casc_deleted"),
    ],
    ids=lambda each: getattr(each, "name", each),
)
def test_a_delete_that_reaches_tenants_rows_is_refused(target: Any, reached: str) -> None:
    with pytest.raises(UnguardedStatementError, match=f"{reached} .*{REMEDY}"):
        refuse_cascade(target)


@pytest.mark.parametrize(
    "target",
    [RENAMES, RESTRICTS, UNUSED, STOPS, TREE, PARENT, table("casc_unheard_of")],
    ids=lambda each: each.name,
)
def test_a_delete_that_reaches_none_is_not(target: Any) -> None:
    refuse_cascade(target)


@pytest.mark.parametrize(
    "columns", [["code"], [RENAMES.c.code], ["CODE"], ["label", "code"], ["n"], ["number"]], ids=str
)
def test_an_update_of_what_tenants_rows_follow_is_refused(columns: list[Any]) -> None:
    with pytest.raises(UnguardedStatementError, match=f"casc_renames .*{REMEDY}"):
        refuse_cascade(RENAMES, columns)


@pytest.mark.parametrize(
    ("target", "columns"), [(RENAMES, ["label"]), (RESTRICTS, ["code"]), (DELETES, ["code"])]
)
def test_another_update_is_not(target: Table, columns: list[str]) -> None:
    refuse_cascade(target, columns)


def test_a_default_of_the_databases_may_be_another_tenants_row() -> None:
    """Even between tenant-aware tables, whose rows refer to their own tenant's rows."""
    fallen = owned("casc_fallen")
    key = ForeignKey("casc_fallen.id", ondelete="SET DEFAULT", onupdate="SET DEFAULT")
    owned("casc_falling", Column("fallen_id", key, server_default="2"))
    for columns in (None, ["id"]):
        with pytest.raises(UnguardedStatementError, match=f"default of fallen_id .*{REMEDY}"):
            refuse_cascade(fallen, columns)
    refuse_cascade(fallen, ["tenant_id"])
    harmless = owned("casc_harmless")
    null = ForeignKey("casc_harmless.id", ondelete="SET DEFAULT")
    owned("casc_nulled", Column("harmless_id", null))
    refuse_cascade(harmless)


def test_a_default_counts_that_another_metadata_tells_of() -> None:
    parent = owned("casc_twins")
    owned("casc_twin", Column("of", ForeignKey("casc_twins.id", ondelete="SET DEFAULT")))
    refuse_cascade(parent)
    tenant_aware(tenant_table("casc_twin", MetaData(), Column("of", Integer, server_default="2")))
    with pytest.raises(UnguardedStatementError, match="default of of "):
        refuse_cascade(parent)


def test_a_foreign_key_that_comes_later_counts() -> None:
    shared = unowned("casc_later")
    refuse_cascade(shared)
    owned("casc_latest", Column("code", ForeignKey("casc_later.code", ondelete="CASCADE")))
    with pytest.raises(UnguardedStatementError, match="casc_latest"):
        refuse_cascade(shared)


def test_a_foreign_key_to_a_table_that_no_model_knows_counts() -> None:
    metadata = MetaData()
    other = Table("casc_alone", metadata, Column("id", Integer), Column("tenant_id", String(50)))
    tenant_aware(other)
    other.append_column(Column("code", ForeignKey("casc_foreign.code", ondelete="CASCADE")))
    with pytest.raises(UnguardedStatementError, match="casc_alone"):
        refuse_cascade(table("casc_foreign"))


def test_all_foreign_keys_are_told_with_what_happens_along_them() -> None:
    found = {each.table.name: each for each in cascades(METADATA.tables.values())}
    assert found["casc_cleared"].on_delete == "SET NULL"
    assert found["casc_cleared"].on_update == ""
    assert found["casc_restricted"].on_delete == ""
    assert found["casc_numbered"].parent_columns == ("number",)


# -- raw SQL ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM casc_deletes",
        'delete from "main"."CASC_DELETES" where 1 = 1',
        "REPLACE INTO casc_deletes VALUES ('a')",
        "UPDATE casc_renames SET code = 'b'",
        "INSERT INTO casc_renames VALUES ('a') ON CONFLICT (code) DO UPDATE SET code = 'b'",
        "TRUNCATE casc_restricts CASCADE",
        "DELETE FROM casc_first",
    ],
)
def test_raw_sql_that_may_reach_tenants_rows_is_refused(text: str) -> None:
    with pytest.raises(UnguardedStatementError, match=REMEDY):
        check(RawText(text, Source.DRIVER_SQL, memory_engine().dialect))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM casc_deletes",
        "SELECT * FROM casc_renames FOR UPDATE",
        "INSERT INTO casc_deletes VALUES ('a')",
        "UPDATE casc_deletes SET code = 'b'",
        "DELETE FROM casc_restricts",
        "DELETE FROM casc_unused WHERE code = 'casc_deletes'",
    ],
)
def test_other_raw_sql_is_not(text: str) -> None:
    check(RawText(text, Source.DRIVER_SQL, memory_engine().dialect))


def test_driver_sql_is_refused_except_in_a_system_scope_or_if_it_was_reviewed() -> None:
    engine = memory_engine()
    METADATA.create_all(engine)
    fill(engine, "INSERT INTO casc_deletes VALUES ('a'), ('b'), ('c')")
    sql = "DELETE FROM casc_deletes WHERE code = ?"
    with engine.begin() as connection:
        with tenant_scope("acme"):
            with pytest.raises(UnguardedStatementError, match="casc_deleted"):
                connection.exec_driver_sql(sql, ("a",))
            reviewed = {"tenantshield_reviewed": True}
            connection.exec_driver_sql(sql, ("b",), execution_options=reviewed)
        with pytest.raises(UnguardedStatementError, match="casc_deleted"):
            connection.exec_driver_sql(sql, ("a",))
        with system_scope("an old plan goes"):
            connection.exec_driver_sql(sql, ("c",))
    assert rows(engine, "SELECT code FROM casc_deletes") == [("a",)]
