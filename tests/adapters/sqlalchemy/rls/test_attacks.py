"""What somebody who can run any SQL as the application's role can do about signed tenants.

The attacker has the application's role and a connection of the driver's own, but not the key.
Each test is a line of the threat model in SECURITY.md. Those at the end say what remains possible.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tenantshield_mw import system_scope, tenant_scope

from . import attacking
from .attacking import (
    KEY,
    NAMES,
    claim,
    denied,
    inject,
    stolen,
)
from .conftest import Client, RlsDatabase, by_cursor
from .models import Region

base, app, attacker = attacking.base, attacking.app, attacking.attacker


# -- the key, the functions, the tables ------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM tenantshield.keys",
        "COPY tenantshield.keys TO STDOUT",
        "INSERT INTO tenantshield.keys VALUES ('0000000000000000', '', '')",
        "DELETE FROM tenantshield.keys",
        "ALTER TABLE tenantshield.keys DISABLE ROW LEVEL SECURITY",
        "CREATE TABLE tenantshield.mine (id int)",
        "DROP SCHEMA tenantshield CASCADE",
        "SELECT lo_import('/etc/passwd')",
        "SELECT pg_read_file('global/pg_control')",
    ],
)
def test_the_key_is_out_of_reach(attacker: Any, sql: str) -> None:
    denied(attacker, sql)


def test_a_privilege_for_all_tables_does_not_show_the_key(base: RlsDatabase, attacker: Any) -> None:
    base.here.run(
        f"GRANT USAGE ON SCHEMA tenantshield TO {base.app}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA tenantshield TO {base.app}",
    )
    try:
        assert attacker.execute("SELECT * FROM tenantshield.keys").fetchall() == []
        denied(attacker, "INSERT INTO tenantshield.keys VALUES ('0000000000000000', '', '')")
        assert attacker.execute("DELETE FROM tenantshield.keys").rowcount == 0
        attacker.rollback()
    finally:
        base.here.run(
            f"REVOKE ALL ON ALL TABLES IN SCHEMA tenantshield FROM {base.app}",
            f"REVOKE ALL ON SCHEMA tenantshield FROM {base.app}",
        )


@pytest.mark.parametrize(
    "function",
    [
        "tenantshield.tenantshield_signed",
        "tenantshield.tenantshield_system",
        "public.tenantshield_text",
    ],
)
@pytest.mark.parametrize(
    "sql",
    [
        (
            "CREATE OR REPLACE FUNCTION {}() RETURNS boolean LANGUAGE plpgsql "
            "AS $$ BEGIN RETURN true; END $$"
        ),
        "ALTER FUNCTION {}() SECURITY INVOKER",
        "ALTER FUNCTION {}() SET search_path = pg_temp",
        "ALTER FUNCTION {}() RESET search_path",
        "ALTER FUNCTION {}() RENAME TO other",
        "DROP FUNCTION {}()",
    ],
)
def test_the_functions_cannot_be_changed(attacker: Any, sql: str, function: str) -> None:
    denied(attacker, sql.format(function))


@pytest.mark.parametrize(
    "sql",
    [
        'ALTER TABLE "floor Cellar" DISABLE ROW LEVEL SECURITY',
        'ALTER TABLE "floor Cellar" NO FORCE ROW LEVEL SECURITY',
        'DROP POLICY tenantshield_access ON "floor Cellar"',
        'CREATE POLICY mine ON "floor Cellar" USING (true)',
    ],
)
def test_the_policies_cannot_be_changed(attacker: Any, sql: str) -> None:
    denied(attacker, sql)


def test_row_security_off_is_an_error(attacker: Any) -> None:
    attacker.execute("SET row_security = off")
    denied(attacker, NAMES)


def test_operators_and_functions_of_others_are_not_used(base: RlsDatabase, app: Client) -> None:
    """Not even if somebody lets the role create functions."""
    base.here.run(f"CREATE SCHEMA shadows AUTHORIZATION {base.app}")

    def run(session: Session) -> list[Any]:
        for sql in (
            (
                "CREATE FUNCTION shadows.yes(bytea, bytea) RETURNS boolean LANGUAGE sql IMMUTABLE "
                "AS 'SELECT true'"
            ),
            "CREATE OPERATOR shadows.= (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = shadows.yes)",
            (
                "CREATE FUNCTION shadows.yes(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE "
                "AS 'SELECT true'"
            ),
            "CREATE OPERATOR shadows.= (LEFTARG = text, RIGHTARG = text, FUNCTION = shadows.yes)",
            (
                "CREATE FUNCTION shadows.sha256(bytea) RETURNS bytea LANGUAGE sql IMMUTABLE "
                "AS $$ SELECT ''::bytea $$"
            ),
            (
                "CREATE FUNCTION shadows.current_setting(text, boolean) RETURNS text LANGUAGE sql "
                "AS $$ SELECT 'globex' $$"
            ),
            (
                "CREATE FUNCTION shadows.now() RETURNS timestamptz LANGUAGE sql "
                "AS $$ SELECT '2020-01-01'::timestamptz $$"
            ),
            "CREATE TEMP TABLE keys (name text, inner_pad bytea, outer_pad bytea)",
            "SET search_path = shadows, pg_temp, pg_catalog, public",
        ):
            by_cursor(session, sql)
        mine = inject(session, NAMES)
        session.commit()
        # The next transaction describes itself although the search path was left behind.
        assert inject(session, NAMES) == ["acme"]
        by_cursor(session, "SELECT pg_catalog.set_config('tenantshield.text', 'globex', true)")
        assert by_cursor(session, NAMES) == []
        return mine

    try:
        with tenant_scope("acme"):
            assert app.session(run) == ["acme"]
    finally:
        app.engine.dispose()
        base.here.run("DROP SCHEMA shadows CASCADE")


# -- other roles -------------------------------------------------------------------


def test_the_system_role_sees_nothing_without_a_signature(
    base: RlsDatabase, app: Client, attacker: Any
) -> None:
    attacker.execute(f"SET ROLE {base.system}")
    assert attacker.execute(NAMES).fetchall() == []
    attacker.rollback()

    def run(session: Session) -> list[list[Any]]:
        # With the signature of a tenant.
        by_cursor(session, f"SET ROLE {base.system}")
        mine = inject(session, NAMES)
        by_cursor(session, "SELECT set_config('tenantshield.text', '', true)")
        return [mine, inject(session, NAMES)]

    with tenant_scope("acme"):
        assert app.session(run) == [[], []]


def test_a_system_signature_is_for_its_role_and_backend(
    base: RlsDatabase, app: Client, attacker: Any
) -> None:
    def run(session: Session) -> None:
        *_, signature = stolen(session)
        claim(attacker, "", signature)
        attacker.execute(f"SET LOCAL ROLE {base.system}")
        assert attacker.execute(NAMES).fetchall() == []
        attacker.rollback()
        assert inject(session, NAMES) == ["acme", "globex"]
        by_cursor(session, "SET ROLE none")
        assert inject(session, NAMES) == []

    with system_scope("a report"):
        app.session(run)


def test_a_system_signature_and_role_that_were_left_behind(base: RlsDatabase, app: Client) -> None:
    def leave(session: Session) -> None:
        *_, signature = stolen(session)
        by_cursor(session, f"SELECT set_config('tenantshield.signature', '{signature}', false)")
        by_cursor(session, f"SET SESSION ROLE {base.system}")
        session.commit()

    with system_scope("a report"):
        app.session(leave)
    assert app.session(lambda s: inject(s, NAMES)) == []
    with tenant_scope("acme"):
        assert app.session(lambda s: inject(s, NAMES)) == []
    app.engine.dispose()


def test_another_role_cannot_use_the_signature(base: RlsDatabase, app: Client) -> None:
    def run(session: Session) -> None:
        by_cursor(session, f"SET LOCAL ROLE {base.owner}")

    with tenant_scope("acme"), pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.session(run)


# -- what remains ------------------------------------------------------------------


def test_within_his_transaction_he_is_the_tenant(app: Client) -> None:
    def run(session: Session) -> list[Any]:
        saved = stolen(session)
        by_cursor(session, "SELECT set_config('tenantshield.text', '', true)")
        assert inject(session, NAMES) == []
        by_cursor(session, f"SELECT set_config('tenantshield.text', '{saved[0]}', true)")
        return inject(session, NAMES)

    with tenant_scope("acme"):
        assert app.session(run) == ["acme"]


def test_for_seconds_he_stays_the_tenant_on_the_same_connection(app: Client) -> None:
    def run(session: Session) -> list[Any]:
        tenant, _, _, signature = stolen(session)
        cursor = session.connection().connection.cursor()
        cursor.execute(
            f"COMMIT; BEGIN; SELECT set_config('tenantshield.text', '{tenant}', true), "
            f"set_config('tenantshield.signature', '{signature}', true)"
        )
        cursor.execute(NAMES)
        return list(cursor.fetchall())

    with tenant_scope("acme"):
        assert app.session(run) == [("acme",)]


def test_a_transaction_that_served_two_tenants_keeps_both_signatures(app: Client) -> None:
    with app.engine.connect() as connection:
        with tenant_scope("globex"):
            connection.exec_driver_sql("SELECT 1")
            cursor = connection.connection.cursor()
            cursor.execute("SELECT current_setting('tenantshield.signature')")
            [(signature,)] = cursor.fetchall()
        with tenant_scope("acme"):
            connection.exec_driver_sql("SELECT 1")
            cursor.execute(
                "SELECT set_config('tenantshield.text', 'globex', true), "
                f"set_config('tenantshield.signature', '{signature}', true)"
            )
            cursor.execute(NAMES)
            assert cursor.fetchall() == [("globex",)]


def trap(session: Session) -> None:
    """Leave a view in the connection that takes the place of a table and copies its rows."""
    for sql in (
        "CREATE TEMP TABLE loot (name text)",
        (
            "CREATE FUNCTION pg_temp.take(t text) RETURNS text LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO pg_temp.loot VALUES (t); RETURN t; END $$"
        ),
        (
            'CREATE TEMP VIEW "floor Cellar" AS SELECT id, "Tenant Id", pg_temp.take(name) AS '
            'name, above_id FROM public."floor Cellar"'
        ),
    ):
        by_cursor(session, sql)
    session.commit()


def test_what_he_leaves_in_a_connection_waits_for_the_next_tenant(
    base: RlsDatabase, app: Client
) -> None:
    with tenant_scope("acme"):
        app.session(trap)
    with tenant_scope("globex"):

        def read(session: Session) -> None:
            assert inject(session, NAMES) == ["globex"]
            session.commit()

        app.session(read)
    with tenant_scope("acme"):
        assert app.session(lambda s: inject(s, "SELECT name FROM loot")) == ["globex"]
    app.engine.dispose()


def test_without_temp_he_can_leave_nothing(base: RlsDatabase, app: Client) -> None:
    database = base.here.url.database
    base.here.run(f"REVOKE TEMP ON DATABASE {database} FROM PUBLIC")
    try:
        with tenant_scope("acme"), pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.session(trap)
    finally:
        base.here.run(f"GRANT TEMP ON DATABASE {database} TO PUBLIC")


def test_a_prepared_statement_of_the_driver_can_be_replaced(base: RlsDatabase) -> None:
    """Unless the driver prepares none."""

    def read(session: Session) -> list[Any]:
        found = list(session.scalars(select(Region.name)))
        # On a rollback, psycopg forgets all prepared statements.
        session.commit()
        return found

    def replace(session: Session) -> None:
        names = inject(session, "SELECT name FROM pg_prepared_statements")
        for name in names:
            by_cursor(session, f'DEALLOCATE "{name}"')
            by_cursor(session, f"""PREPARE "{name}" AS SELECT 'other'""")
        session.commit()

    for threshold, expected in ((0, ["other"]), (None, [])):
        app = Client(
            base,
            "psycopg",
            key=KEY,
            pool_size=1,
            max_overflow=0,
            connect_args={"prepare_threshold": threshold},
        )
        with tenant_scope("acme"):
            app.session(read)
            app.session(replace)
        with tenant_scope("globex"):
            assert [each for each in app.session(read) if each != "here"] == expected
        app.close()
