"""The policies in a database are compared with those that the models require."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, String, Table, create_engine

from tenantshield_mw import ConfigurationError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.rls import (
    TablePolicySpec,
    create_policies,
    drop_policies,
    enforce,
    find_differences,
    specs_of,
)
from tenantshield_mw.adapters.sqlalchemy.rls.policies import functions_of
from tests.databases import Database, database, memory_engine

from .specs import LEAF, PERSON, SPECS, TABLES, TREE


def differences(engine: Engine, specs: list[TablePolicySpec] = SPECS) -> list[str]:
    with engine.connect() as connection:
        return [
            f"{each.table}: {each.kind}: {each.detail.partition(':')[0]}"
            for each in find_differences(connection, specs)
        ]


def test_what_was_just_created_is_in_place(engine: Engine) -> None:
    assert differences(engine) == []


def test_nothing_is_in_place_yet() -> None:
    with database("postgresql") as empty:
        engine = empty.engine()
        assert differences(engine, [PERSON]) == [
            "person: no such table: create it, then its policies"
        ]
        empty.run("CREATE VIEW person AS SELECT 1 AS tenant_id")
        assert differences(engine, [PERSON])[0].startswith("person: no such table")
        empty.run("DROP VIEW person", *TABLES[:2])
        assert differences(engine, [PERSON]) == [
            "person: not enabled: ALTER TABLE ... ENABLE ROW LEVEL SECURITY",
            "person: not forced: ALTER TABLE ... FORCE ROW LEVEL SECURITY",
            "person: policy missing: tenantshield_access",
            "person: policy missing: tenantshield_tenant",
        ]
        engine.dispose()


def tenant_policy(
    using: str, nature: str = "RESTRICTIVE", for_: str = "ALL", to: str = "PUBLIC"
) -> str:
    return (
        "DROP POLICY tenantshield_tenant ON person; CREATE POLICY tenantshield_tenant ON person "
        f"AS {nature} FOR {for_} TO {to} USING ({using})"
    )


SETTING = "(SELECT nullif(current_setting('tenantshield.text', true), ''))"


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER POLICY tenantshield_tenant ON person USING (true)",
        "ALTER POLICY tenantshield_tenant ON person WITH CHECK (true)",
        "ALTER POLICY tenantshield_tenant ON person TO postgres",
        f"ALTER POLICY tenantshield_tenant ON person USING (tenant_id = {SETTING} OR true)",
        f"ALTER POLICY tenantshield_tenant ON person USING (tenant_id = {SETTING} OR id = 7)",
        f"ALTER POLICY tenantshield_tenant ON person USING (NOT tenant_id = {SETTING})",
        f"ALTER POLICY tenantshield_tenant ON person USING (tenant_id <> {SETTING})",
        f"ALTER POLICY tenantshield_tenant ON person USING (tenant_id LIKE {SETTING})",
        f"ALTER POLICY tenantshield_tenant ON person USING (name = {SETTING})",
        f"ALTER POLICY tenantshield_tenant ON person USING (tenant_id::char(1) = {SETTING})",
        f"ALTER POLICY tenantshield_tenant ON person USING (lower(tenant_id) = {SETTING})",
        f'ALTER POLICY tenantshield_tenant ON person USING (tenant_id COLLATE "C" = {SETTING})',
        (
            "ALTER POLICY tenantshield_tenant ON person USING (tenant_id = (SELECT "
            "current_setting('tenantshield.text', true)))"
        ),
        (
            "ALTER POLICY tenantshield_tenant ON person USING (tenant_id = (SELECT "
            "nullif(current_setting('tenantshield.integer', true), '')))"
        ),
        (
            "ALTER POLICY tenantshield_tenant ON person USING (tenant_id = (SELECT "
            "nullif(current_setting('tenantshield.text', true), 'x')))"
        ),
        tenant_policy(f"tenant_id = {SETTING}", nature="PERMISSIVE"),
        tenant_policy(f"tenant_id = {SETTING}", for_="SELECT"),
        tenant_policy(f"tenant_id = {SETTING}", to="postgres"),
    ],
)
def test_an_altered_policy_is_found(db: Database, engine: Engine, statement: str) -> None:
    db.run(statement)
    assert differences(engine) == ["person: policy outdated: tenantshield_tenant"]


def test_the_same_policy_in_other_words_is_the_same(db: Database, engine: Engine) -> None:
    db.run(
        tenant_policy(
            "(( (SELECT (NULLIF(pg_catalog.current_setting('tenantshield.text'::text, true), '')"
            ") AS x) = (public.person.tenant_id)::varchar ) )"
        )
    )
    # The reverse order is another tree, although it means the same.
    assert differences(engine) == ["person: policy outdated: tenantshield_tenant"]
    db.run(tenant_policy(f"((((tenant_id)::text) = ({SETTING})))"))
    assert differences(engine) == []


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            'ALTER TABLE "My Schema"."T ""ree" DISABLE ROW LEVEL SECURITY',
            'T "ree: not enabled: ALTER TABLE ... ENABLE ROW LEVEL SECURITY',
        ),
        (
            "ALTER TABLE leaf NO FORCE ROW LEVEL SECURITY",
            "leaf: not forced: ALTER TABLE ... FORCE ROW LEVEL SECURITY",
        ),
        (
            "DROP POLICY tenantshield_tenant ON leaf",
            "leaf: policy missing: tenantshield_tenant",
        ),
        (
            "DROP POLICY tenantshield_access ON of_hex",
            "of_hex: policy missing: tenantshield_access",
        ),
        (
            "ALTER POLICY tenantshield_references ON leaf WITH CHECK (other IS NULL OR true)",
            "leaf: policy outdated: tenantshield_references",
        ),
        (
            "ALTER POLICY tenantshield_access ON leaf USING (false)",
            "leaf: policy outdated: tenantshield_access",
        ),
        (
            (
                "ALTER POLICY tenantshield_tenant ON leaf USING (EXISTS (SELECT 1 FROM person "
                "AS tenantshield_parent WHERE tenantshield_parent.id = leaf.person_id))"
            ),
            "leaf: policy outdated: tenantshield_tenant",
        ),
        (
            "CREATE POLICY tenantshield_references ON person USING (true)",
            "person: policy unexpected: tenantshield_references",
        ),
        (
            "CREATE POLICY support ON person USING (true)",
            "person: policy unexpected: support",
        ),
    ],
)
def test_each_kind_of_difference_is_found(
    db: Database, engine: Engine, statement: str, expected: str
) -> None:
    db.run(statement)
    assert differences(engine) == [expected]
    db.run("DROP POLICY IF EXISTS support ON person")
    db.run("DROP POLICY IF EXISTS tenantshield_references ON person")


def test_a_parent_of_the_same_name_in_another_schema_is_another(
    db: Database, engine: Engine
) -> None:
    db.run(
        "CREATE SCHEMA IF NOT EXISTS elsewhere",
        "CREATE TABLE elsewhere.person (id int)",
        'ALTER POLICY tenantshield_references ON "My Schema"."T ""ree" WITH CHECK ((a IS NULL OR '
        "b IS NULL OR EXISTS (SELECT 1 FROM elsewhere.person AS tenantshield_parent WHERE "
        'tenantshield_parent.id = "T ""ree".a AND tenantshield_parent.id = "T ""ree".b)) AND '
        '(up IS NULL OR up = id OR "My Schema".'
        f"{functions_of(TREE, SPECS)[0].name}(up)))",
    )
    assert differences(engine) == ['T "ree: policy outdated: tenantshield_references']


def test_only_a_foreign_policy_is_harmless(db: Database, engine: Engine) -> None:
    db.run(
        "CREATE POLICY support ON person USING (true)",
        "CREATE POLICY tenantshield_references ON person USING (true)",
    )
    with engine.connect() as connection:
        found = {
            each.detail.partition(":")[0]: each.harmless
            for each in find_differences(connection, SPECS)
        }
        shown = [str(each) for each in find_differences(connection, SPECS)]
    assert found == {"support": True, "tenantshield_references": False}
    assert any(
        each.startswith("person: policy unexpected: support: a permissive") for each in shown
    )
    db.run("DROP POLICY support ON person", "DROP POLICY tenantshield_references ON person")


@pytest.mark.parametrize(
    "change",
    ["SECURITY DEFINER", "IMMUTABLE", "SET search_path = elsewhere"],
)
def test_an_altered_function_is_found(db: Database, engine: Engine, change: str) -> None:
    name = functions_of(LEAF, SPECS)[0].name
    db.run(f"ALTER FUNCTION {name} {change}")
    try:
        assert differences(engine) == [f"leaf: function outdated: {name}"]
    finally:
        db.run(f"ALTER FUNCTION {name} SECURITY INVOKER VOLATILE RESET ALL")


def test_a_function_that_does_something_else_is_found(db: Database, engine: Engine) -> None:
    wanted = functions_of(LEAF, SPECS)[0]
    db.run(wanted.definition.replace(wanted.body, " BEGIN RETURN true; END "))
    assert differences(engine) == [f"leaf: function outdated: {wanted.name}"]


def test_a_function_that_is_gone_is_found(db: Database, engine: Engine) -> None:
    name = functions_of(LEAF, SPECS)[0].name
    db.run(f"DROP FUNCTION {name} CASCADE")
    assert differences(engine) == [
        "leaf: policy missing: tenantshield_references",
        f"leaf: function missing: {name}",
    ]


def test_models_and_database_are_compared_in_any_scope(db: Database) -> None:
    metadata = MetaData()
    # Has the name of a catalog object that is read.
    parent = Table(
        "polname",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(20)),
        schema="inspected",
    )
    child = Table(
        "polcmd",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("parent_id", ForeignKey(parent.c.id)),
        schema="inspected",
    )
    tenant_aware(parent)
    tenant_aware(child, through="polname")
    db.run(
        "CREATE SCHEMA inspected",
        "CREATE ROLE tenantshield_looking LOGIN",
    )
    owner = db.engine()
    with owner.begin() as connection:
        metadata.create_all(connection)
        create_policies(connection, metadata)
    specs = specs_of(metadata)
    held = create_engine(db.url.set(username="tenantshield_looking"))
    enforce(held)
    for each in (owner, held):
        with each.connect() as connection:
            assert find_differences(connection, specs) == []
        with tenant_scope("acme"), each.connect() as connection:
            assert find_differences(connection, specs) == []
    with owner.begin() as connection:
        drop_policies(connection, metadata)
    with tenant_scope("acme"), held.connect() as connection:
        assert len(find_differences(connection, specs)) == 8
    held.dispose()
    owner.dispose()
    db.run("DROP ROLE tenantshield_looking")


def test_another_database_is_an_error() -> None:
    with memory_engine().connect() as connection, pytest.raises(ConfigurationError, match="sqlite"):
        find_differences(connection, SPECS)
