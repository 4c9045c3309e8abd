"""Tables with policies of every kind, in a database of their own."""

from __future__ import annotations

from tenantshield_mw.adapters.sqlalchemy.rls import ParentLink, TablePolicySpec, TenantColumn

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
