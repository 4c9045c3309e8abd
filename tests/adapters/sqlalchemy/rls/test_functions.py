"""The functions that the policies call."""

from __future__ import annotations

import re

import pytest

from tenantshield_mw.adapters.sqlalchemy.rls import TablePolicySpec, TenantColumn
from tenantshield_mw.adapters.sqlalchemy.rls.functions import (
    drop_unused,
    tenant_function,
    tenant_functions_of,
)
from tests.databases import database

COLUMNS = [
    (TenantColumn("t"), "tenantshield_text", "acme", "acme"),
    (TenantColumn("t", "text", "char"), "tenantshield_text_as_char", "acme", "acme"),
    (TenantColumn("t", "text", "hex"), "tenantshield_text_as_hex", "a-b", "ab"),
    (TenantColumn("t", "integer", "integer"), "tenantshield_integer", "7", "7"),
]


@pytest.mark.parametrize(("column", "name", "told", "returned"), COLUMNS)
def test_the_tenant_is_returned_as_the_column_holds_it(
    column: TenantColumn, name: str, told: str, returned: str
) -> None:
    function = tenant_function(TablePolicySpec("t", column=column), column)
    assert function.name == name
    with database("postgresql") as here, here.dbapi() as connection:
        connection.execute(function.definition)
        sql = f"SELECT {name}()::text"
        assert connection.execute(sql).fetchone() == (None,)
        connection.execute(f"SET tenantshield.{column.kind} = '{told}'")
        assert connection.execute(sql).fetchone() == (returned,)
        # No search path changes what it reads.
        connection.execute("CREATE SCHEMA shadows; SET search_path = shadows, pg_catalog")
        connection.execute(
            "CREATE FUNCTION shadows.current_setting(text, boolean) RETURNS text LANGUAGE sql "
            "AS $$ SELECT '8' $$"
        )
        assert connection.execute(f"SELECT public.{name}()::text").fetchone() == (returned,)
        connection.execute(f"SET tenantshield.{column.kind} = ''")
        assert connection.execute(f"SELECT public.{name}()::text").fetchone() == (None,)


def test_a_kind_that_a_column_cannot_hold_has_none() -> None:
    column = TenantColumn("t", "integer", "uuid")
    with pytest.raises(KeyError):
        tenant_function(TablePolicySpec("t", column=column), column)


def test_tables_of_a_schema_share_functions() -> None:
    specs = [TablePolicySpec(name, "s", column=TenantColumn(name)) for name in "ab"]
    assert tenant_functions_of(specs[0]) == tenant_functions_of(specs[1])


def test_a_function_that_a_policy_calls_is_kept() -> None:
    [function] = tenant_functions_of(TablePolicySpec("t", column=TenantColumn("t")))
    count = "SELECT count(*) FROM pg_proc WHERE proname = 'tenantshield_text'"
    with database("postgresql") as here:
        here.run(
            function.definition,
            "CREATE TABLE t (t text)",
            "CREATE POLICY p ON t USING (t = (SELECT tenantshield_text()))",
            drop_unused(function),
        )
        assert here.read(count) == [(1,)]
        here.run("DROP POLICY p ON t", drop_unused(function))
        assert here.read(count) == [(0,)]
        # Again.
        here.run(drop_unused(function))


def test_each_name_in_a_body_has_its_schema() -> None:
    for column, *_ in COLUMNS:
        body = tenant_function(TablePolicySpec("t", column=column), column).body
        assert not re.search(r"(?<!pg_catalog\.)\b(current_setting|replace|int8|bpchar)\b", body)
