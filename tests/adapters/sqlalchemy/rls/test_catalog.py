"""The policies are found in any circumstances: search path, transaction, driver and role."""

from __future__ import annotations

from sqlalchemy import Engine

from tenantshield_mw import system_scope
from tenantshield_mw.adapters.sqlalchemy.rls import find_differences
from tenantshield_mw.adapters.sqlalchemy.rls.policies import statements_to_create
from tests.databases import Database

from .specs import PERSON, SPECS


def test_it_is_in_place_for_any_search_path(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql('SET search_path = "My Schema", pg_temp, public')
        assert find_differences(connection, SPECS) == []
        path = connection.exec_driver_sql("SHOW search_path").scalar_one()
        assert path == '"My Schema", pg_temp, public'
        connection.commit()
        assert connection.exec_driver_sql("SHOW search_path").scalar_one() == path


def test_another_function_of_the_name_of_a_built_in_one_is_another(
    db: Database, engine: Engine
) -> None:
    with system_scope("a test"), engine.connect() as connection:
        for statement in (
            "CREATE SCHEMA shadows",
            (
                "CREATE FUNCTION shadows.current_setting(text, boolean) RETURNS text LANGUAGE sql "
                "AS $$ SELECT 'anybody' $$"
            ),
        ):
            connection.exec_driver_sql(statement)
        # Created while the name meant PostgreSQL's own function, it is found with any search path.
        connection.exec_driver_sql("SET LOCAL search_path = public, shadows")
        assert find_differences(connection, SPECS) == []
        connection.exec_driver_sql("SET LOCAL search_path = shadows, pg_catalog, public")
        assert find_differences(connection, SPECS) == []
        for statement in statements_to_create(PERSON):
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        for path in ("shadows, pg_catalog, public", "public"):
            connection.exec_driver_sql(f"SET LOCAL search_path = {path}")
            found = find_differences(connection, SPECS)
            assert [(each.table, each.kind) for each in found] == [("person", "policy outdated")]
        connection.rollback()


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
