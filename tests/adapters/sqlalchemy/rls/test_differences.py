"""The policies in a database are compared with those that the models require."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
)

from tenantshield_mw import ConfigurationError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.rls import (
    ParentLink,
    TablePolicySpec,
    TenantColumn,
    create_policies,
    drop_policies,
    enforce,
    find_differences,
    specs_of,
)
from tenantshield_mw.adapters.sqlalchemy.rls.expressions import NotOursError, read_condition
from tenantshield_mw.adapters.sqlalchemy.rls.functions import lookup_functions_of
from tenantshield_mw.adapters.sqlalchemy.rls.policies import statements_to_create
from tests.databases import Database, database, memory_engine

PERSON = TablePolicySpec("person", column=TenantColumn("tenant_id"))
TREE = TablePolicySpec(
    'T "ree',
    "My Schema",
    column=TenantColumn("Ten ant", "uuid", "uuid"),
    references=(
        ParentLink(("a", "b"), "person", ("id", "id")),
        ParentLink(("up",), 'T "ree', ("id",), "My Schema"),
    ),
)
LEAF = TablePolicySpec(
    "leaf",
    "public",
    ties=(
        ParentLink(("person_id",), "person", ("id",)),
        ParentLink(("tree",), 'T "ree', ("id",), "My Schema"),
    ),
    references=(ParentLink(("other",), "leaf", ("id",), "public"),),
)
KINDS = [
    TablePolicySpec("of_integer", column=TenantColumn("t", "integer", "integer")),
    TablePolicySpec("of_hex", column=TenantColumn("t", "uuid", "hex")),
    TablePolicySpec("of_text_hex", column=TenantColumn("t", "text", "hex")),
    TablePolicySpec("of_char", column=TenantColumn("t", "text", "char")),
    TablePolicySpec("of_text_uuid", column=TenantColumn("t", "text", "uuid")),
    # A name that occurs in the catalog query, and an SQL keyword.
    TablePolicySpec("pg_policy", "public", column=TenantColumn("t")),
    TablePolicySpec("select", column=TenantColumn("where")),
]
SPECS = [PERSON, TREE, LEAF, *KINDS]
TABLES = (
    'CREATE SCHEMA "My Schema"',
    "CREATE TABLE person (id int PRIMARY KEY, tenant_id varchar(10), name text)",
    (
        'CREATE TABLE "My Schema"."T ""ree" (id uuid PRIMARY KEY, "Ten ant" uuid, a int, b bigint,'
        " up uuid)"
    ),
    "CREATE TABLE leaf (id varchar(9) PRIMARY KEY, person_id numeric, tree uuid, other text)",
    "CREATE TABLE of_integer (t int)",
    "CREATE TABLE of_hex (t char(32))",
    "CREATE TABLE of_text_hex (t char(32))",
    "CREATE TABLE of_char (t char(5))",
    "CREATE TABLE of_text_uuid (t uuid)",
    "CREATE TABLE public.pg_policy (t varchar)",
    'CREATE TABLE "select" ("where" text)',
)


@pytest.fixture(scope="module")
def db() -> Iterator[Database]:
    with database("postgresql") as here:
        here.run(*TABLES)
        yield here


@pytest.fixture
def engine(db: Database) -> Iterator[Engine]:
    engine = db.engine()
    db.run(*(text for each in SPECS for text in statements_to_create(each, SPECS)))
    yield engine
    engine.dispose()


def differences(engine: Engine, specs: list[TablePolicySpec] = SPECS) -> list[str]:
    with engine.connect() as connection:
        return [
            f"{each.table}: {each.kind}: {each.detail.partition(':')[0]}"
            for each in find_differences(connection, specs)
        ]


def test_what_was_just_created_is_in_place(engine: Engine) -> None:
    assert differences(engine) == []


def test_it_is_in_place_for_any_search_path(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql('SET search_path = "My Schema", pg_temp, public')
        assert find_differences(connection, SPECS) == []
        path = connection.exec_driver_sql("SHOW search_path").scalar_one()
        assert path == '"My Schema", pg_temp, public'
        connection.commit()
        assert connection.exec_driver_sql("SHOW search_path").scalar_one() == path


def test_another_function_of_the_same_name_is_another(db: Database, engine: Engine) -> None:
    with system_scope("a test"), engine.connect() as connection:
        for statement in (
            "CREATE SCHEMA shadows",
            (
                "CREATE FUNCTION shadows.tenantshield_text() RETURNS text LANGUAGE sql "
                "AS $$ SELECT 'anybody' $$"
            ),
        ):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("SET LOCAL search_path = public, shadows")
        assert find_differences(connection, SPECS) == []
        connection.exec_driver_sql(
            "ALTER POLICY tenantshield_access ON person "
            "USING (tenant_id = (SELECT shadows.tenantshield_text()))"
        )
        found = find_differences(connection, SPECS)
        assert [(each.table, each.kind) for each in found] == [("person", "policy outdated")]
        connection.rollback()


FORMER = (
    "DROP POLICY tenantshield_access ON {0}",
    "DROP POLICY tenantshield_tenant ON {0}",
    (
        "CREATE POLICY tenantshield_tenant ON {0} AS RESTRICTIVE FOR ALL TO PUBLIC "
        "USING ({0}.tenant_id = (SELECT nullif(current_setting('tenantshield.text', true), '')))"
    ),
    "CREATE POLICY tenantshield_access ON {0} USING (true) WITH CHECK (true)",
)
"""The statements that put policies in place as they were before the permissive ones compared the
tenant."""


def test_the_former_policies_are_found(db: Database, engine: Engine) -> None:
    db.run(*(each.format("person") for each in FORMER))
    assert differences(engine) == [
        "person: policy outdated: tenantshield_access",
        "person: policy outdated: tenantshield_tenant",
    ]


def test_it_is_in_place_in_autocommit(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert find_differences(connection, SPECS) == []
        assert connection.exec_driver_sql("SHOW search_path").scalar_one() == '"$user", public'


async def test_it_is_in_place_by_asyncpg(db: Database, engine: Engine) -> None:
    async_engine = db.async_engine()
    async with async_engine.connect() as connection:
        assert await connection.run_sync(find_differences, SPECS) == []
    await async_engine.dispose()


def test_a_role_without_any_privilege_can_look(db: Database, engine: Engine) -> None:
    with system_scope("a test"), engine.connect() as connection:
        connection.exec_driver_sql('REVOKE ALL ON SCHEMA public, "My Schema" FROM PUBLIC')
        connection.exec_driver_sql("CREATE ROLE tenantshield_nobody")
        connection.exec_driver_sql("SET ROLE tenantshield_nobody")
        # Without USAGE on a schema, an unqualified name does not refer to anything in it.
        specs = [each for each in SPECS if each.schema == "My Schema"]
        assert [each.kind for each in find_differences(connection, specs)] == ["policy outdated"]
        connection.exec_driver_sql("RESET ROLE")
        connection.exec_driver_sql("GRANT USAGE ON SCHEMA public TO tenantshield_nobody")
        connection.exec_driver_sql("SET ROLE tenantshield_nobody")
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        assert find_differences(connection, SPECS) == []
        connection.rollback()


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
            "person: function missing: tenantshield_text",
        ]
        engine.dispose()


def tenant_policy(
    using: str, nature: str = "RESTRICTIVE", for_: str = "ALL", to: str = "PUBLIC"
) -> str:
    return (
        "DROP POLICY tenantshield_tenant ON person; CREATE POLICY tenantshield_tenant ON person "
        f"AS {nature} FOR {for_} TO {to} USING ({using})"
    )


SETTING = "(SELECT tenantshield_text())"


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
            "nullif(current_setting('tenantshield.text', true), '')))"
        ),
        (
            "ALTER POLICY tenantshield_tenant ON person USING (tenant_id = (SELECT "
            "tenantshield_text_as_char()))"
        ),
        "ALTER POLICY tenantshield_tenant ON person USING (tenant_id = tenantshield_text())",
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
            "(( (SELECT public.tenantshield_text() AS x) = (public.person.tenant_id)::varchar ) )"
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
        f"{lookup_functions_of(TREE, SPECS)[0].name}(up)))",
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
    name = lookup_functions_of(LEAF, SPECS)[0].name
    db.run(f"ALTER FUNCTION {name} {change}")
    try:
        assert differences(engine) == [f"leaf: function outdated: {name}"]
    finally:
        db.run(f"ALTER FUNCTION {name} SECURITY INVOKER VOLATILE RESET ALL")


def test_a_function_that_does_something_else_is_found(db: Database, engine: Engine) -> None:
    wanted = lookup_functions_of(LEAF, SPECS)[0]
    db.run(wanted.definition.replace(wanted.body, " BEGIN RETURN true; END "))
    assert differences(engine) == [f"leaf: function outdated: {wanted.name}"]


def test_a_function_that_is_gone_is_found(db: Database, engine: Engine) -> None:
    name = lookup_functions_of(LEAF, SPECS)[0].name
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
        assert len(find_differences(connection, specs)) == 9
    held.dispose()
    owner.dispose()
    db.run("DROP ROLE tenantshield_looking")


def test_another_database_is_an_error() -> None:
    with memory_engine().connect() as connection, pytest.raises(ConfigurationError, match="sqlite"):
        find_differences(connection, SPECS)


# -- the conditions themselves -----------------------------------------------------


def read(sql: str) -> object:
    return read_condition(sql, "person", lambda kind, name: "somewhere")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a = 1 AND b = 2 OR c = 3", "a = 1 AND (b = 2 OR c = 3)"),
        ("a = 1 OR b = 2 AND c = 3", "(a = 1 OR b = 2) AND c = 3"),
        ("NOT a = 1 AND b = 2", "NOT (a = 1 AND b = 2)"),
        ("a = 'x'", "a = 'X'"),
        ("a IS NULL", "a IS NOT NULL"),
        ('"A" = 1', "a = 1"),
        ("a = b", "person.a = other.b"),
        ("f(a, b)", "f(b, a)"),
        ("a::integer = 1", "a = 1"),
        (
            "EXISTS (SELECT 1 FROM x.p q WHERE q.a = b)",
            "EXISTS (SELECT 1 FROM y.p q WHERE q.a = b)",
        ),
        ("EXISTS (SELECT 1 FROM p q)", "EXISTS (SELECT 1 FROM p q WHERE true)"),
    ],
)
def test_conditions_that_differ_are_read_differently(left: str, right: str) -> None:
    assert read(left) != read(right)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "a =",
        "(a",
        "a)",
        "a = 1 b",
        "a IS TRUE",
        "a || b",
        "a + b",
        "f(a",
        "';",
    ],
)
def test_a_condition_of_another_kind_is_not_read(sql: str) -> None:
    with pytest.raises(NotOursError):
        read(sql)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.sampled_from(["a = 1", "b IS NULL", "true"]),
        lambda inner: st.one_of(
            st.tuples(st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3)),
            st.tuples(st.just("NOT"), inner),
        ),
        max_leaves=8,
    )
)
def test_parentheses_that_change_nothing_are_not_seen(tree: object) -> None:
    assert read(written(tree, spare=False)) == read(written(tree, spare=True))


def written(tree: object, *, spare: bool) -> str:
    if isinstance(tree, str):
        text, simple = tree, True
    else:
        assert isinstance(tree, tuple)
        operator, operands = tree
        if operator == "NOT":
            text, simple = f"NOT ({written(operands, spare=spare)})", True
        else:
            text = f" {operator} ".join(f"({written(each, spare=spare)})" for each in operands)
            simple = False
    return f"(( {text}\n))" if spare and (simple or tree) else text
