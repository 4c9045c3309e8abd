"""What somebody who can run any SQL as the application's role can do about signed tenants.

The attacker has the application's role and a connection of the driver's own, but not the key.
Each test is a line of the threat model in SECURITY.md. Those at the end say what remains possible.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.rls.signing import Backend, Signer

from .conftest import Client, RlsDatabase, by_cursor, signed_database
from .models import Base, Region, mark

KEY: Final = secrets.token_bytes(32)
SETTINGS: Final = ("text", "integer", "uuid", "signature")
NAMES: Final = 'SELECT name FROM "floor Cellar" ORDER BY 1'


@pytest.fixture(scope="module")
def base() -> Iterator[RlsDatabase]:
    mark()
    with signed_database() as made:
        made.create_signed(Base.metadata, keys=[KEY])
        for number, tenant in enumerate(("acme", "globex"), 1):
            made.here.run(
                f"""INSERT INTO "floor Cellar" VALUES ({number}, '{tenant}', '{tenant}', NULL)"""
            )
        yield made


@pytest.fixture
def app(base: RlsDatabase) -> Iterator[Client]:
    """The application, with one connection."""
    made = Client(base, "psycopg", key=KEY, pool_size=1, max_overflow=0)
    yield made
    made.close()


@pytest.fixture
def attacker(base: RlsDatabase) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the application's role."""
    url = base.url(base.app).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        yield connection


def claim(connection: Any, tenant: str, signature: str, kind: str = "text") -> None:
    connection.execute("SELECT set_config(%s, %s, true)", [f"tenantshield.{kind}", tenant])
    connection.execute("SELECT set_config('tenantshield.signature', %s, true)", [signature])


def refused(connection: Any, sql: str = NAMES) -> None:
    """Check that no row is found, without an error: that could tell something about the rows."""
    assert connection.execute(sql).fetchall() == []


def denied(connection: Any, sql: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
        connection.execute(sql)


def stolen(session: Session) -> tuple[str, ...]:
    """Return the settings of a transaction, as injected SQL reads them."""
    columns = ", ".join(f"current_setting('tenantshield.{each}', true)" for each in SETTINGS)
    [row] = by_cursor(session, f"SELECT {columns}")
    return row


def inject(session: Session, sql: str) -> list[Any]:
    return [value for (value, *_) in by_cursor(session, sql)]


# -- forged ------------------------------------------------------------------------


def test_a_tenant_without_a_signature(attacker: Any) -> None:
    attacker.execute("SELECT set_config('tenantshield.text', 'globex', true)")
    refused(attacker)


@pytest.mark.parametrize("signature", ["", "x", "0" * 80, "é" * 80, "'", "0" * 10_000])
def test_an_invented_signature(attacker: Any, signature: str) -> None:
    claim(attacker, "globex", signature)
    refused(attacker)


def test_an_invented_signature_of_a_key_that_exists(app: Client, attacker: Any) -> None:
    with tenant_scope("acme"):
        *_, signature = app.session(stolen)
    claim(attacker, "globex", signature[:16] + "0" * 64)
    refused(attacker)


@pytest.mark.parametrize("tenant", ["globex", "Acme", "acme ", "cme", ""])
def test_the_own_signature_for_another_tenant(app: Client, tenant: str) -> None:
    def run(session: Session) -> None:
        by_cursor(session, f"SELECT set_config('tenantshield.text', '{tenant}', true)")
        assert by_cursor(session, NAMES) == []

    with tenant_scope("acme"):
        app.session(run)


@pytest.mark.parametrize("at", [0, 15, 16, 40, 79])
def test_an_altered_signature(app: Client, at: int) -> None:
    def run(session: Session) -> None:
        *_, signature = stolen(session)
        other = "1" if signature[at] == "0" else "0"
        altered = signature[:at] + other + signature[at + 1 :]
        by_cursor(session, f"SELECT set_config('tenantshield.signature', '{altered}', true)")
        assert by_cursor(session, NAMES) == []

    with tenant_scope("acme"):
        app.session(run)


def test_a_tenant_of_another_type(base: RlsDatabase, app: Client) -> None:
    """The tenant "7" is not the tenant 7."""

    def run(session: Session) -> None:
        for text in ("7", ""):
            by_cursor(
                session,
                "SELECT set_config('tenantshield.integer', '7', true), "
                f"set_config('tenantshield.text', '{text}', true)",
            )
            assert by_cursor(session, "SELECT * FROM floor_by_integer") == []

    with tenant_scope("7"):
        app.session(run)


@pytest.mark.parametrize(
    "sql",
    [
        # Of globex, of acme and of nobody.
        *(f'SELECT 1 FROM "floor Cellar" WHERE id = {number}' for number in (2, 1, 999)),
        "SELECT 1 FROM \"floor Cellar\" WHERE name = 'nobody'",
        "SELECT 1 FROM floor_bottle WHERE id = 999",
        'SELECT 1 FROM floor_region, "floor Cellar"',
        'UPDATE "floor Cellar" SET name = name WHERE id = 999',
        'DELETE FROM "floor Cellar" WHERE id = 999',
        "SELECT 1 FROM floor_label WHERE cellar_id = 999",
        "INSERT INTO floor_label SELECT 9, 'globex', id FROM \"floor Cellar\" WHERE id = 999",
    ],
)
def test_a_refusal_says_nothing_about_the_rows(base: RlsDatabase, attacker: Any, sql: str) -> None:
    """It comes before any row is read, whether or not there are rows that fit."""
    base.here.run("INSERT INTO floor_region VALUES ('here') ON CONFLICT DO NOTHING")
    attacker.execute("SELECT set_config('tenantshield.text', 'globex', true)")
    for setting in ("enable_seqscan", "enable_indexscan", "enable_bitmapscan"):
        attacker.execute(f"SET LOCAL {setting} = off")
        cursor = attacker.execute(sql)
        assert (cursor.fetchall() if cursor.description else cursor.rowcount) in ([], 0)
        attacker.execute(f"SET LOCAL {setting} = on")


@pytest.mark.parametrize(
    ("signed", "claimed"),
    [
        # What is signed ends with the role and the tenant, separated by a zero byte.
        ("none\N{SYMBOL FOR NULL}globex", "globex"),
        ("x|globex", "globex"),
        ("none globex", "globex"),
        ("\\000globex", "globex"),
        ("acme:globex", "acme"),
    ],
)
def test_a_tenant_that_contains_a_separator(app: Client, signed: str, claimed: str) -> None:
    def run(session: Session) -> None:
        by_cursor(session, f"SELECT set_config('tenantshield.text', '{claimed}', true)")
        assert by_cursor(session, NAMES) == []

    with tenant_scope(signed):
        app.session(run)


# -- copied ------------------------------------------------------------------------


def test_a_signature_in_another_backend(app: Client, attacker: Any) -> None:
    def run(session: Session) -> None:
        tenant, _, _, signature = stolen(session)
        # Both transactions are open.
        claim(attacker, tenant, signature)
        refused(attacker)
        assert inject(session, NAMES) == ["globex"]

    with tenant_scope("globex"):
        app.session(run)


@pytest.mark.parametrize("seconds", [-3600, -11, 11, 3600])
def test_a_signature_that_has_expired_or_is_for_later(attacker: Any, seconds: int) -> None:
    claim(attacker, "globex", signed_by_key(attacker, "globex", seconds))
    refused(attacker)


def signed_by_key(connection: Any, tenant: str, seconds: int, **changed: Any) -> str:
    """Return a signature with the right key, for a start that is ``seconds`` after the real one."""
    [(pid, database, user, start)] = connection.execute(
        "SELECT pg_backend_pid(), current_database(), session_user, "
        "(extract(epoch FROM now()) * 1000000)::bigint"
    ).fetchall()
    backend = replace(Backend(pid, database, user, "none"), **changed)
    return Signer(KEY).sign(backend, start + seconds * 1_000_000, (tenant, "", ""))


def test_what_is_signed_with_the_key_is_accepted(attacker: Any) -> None:
    """So the attacks here fail because of what they change."""
    claim(attacker, "globex", signed_by_key(attacker, "globex", 0))
    assert attacker.execute(NAMES).fetchall() == [("globex",)]


@pytest.mark.parametrize(
    "changed", [{"pid": 1}, {"database": "other"}, {"user": "other"}, {"role": "other"}]
)
def test_a_signature_for_another_connection(attacker: Any, changed: dict[str, Any]) -> None:
    claim(attacker, "globex", signed_by_key(attacker, "globex", 0, **changed))
    refused(attacker)


def test_a_signature_for_the_whole_session(app: Client) -> None:
    """What is set for the session is there in the next transaction, but is not for it."""

    def leave(session: Session) -> None:
        tenant, _, _, signature = stolen(session)
        by_cursor(
            session,
            f"SELECT set_config('tenantshield.text', '{tenant}', false), "
            f"set_config('tenantshield.signature', '{signature}', false)",
        )
        session.commit()

    with tenant_scope("globex"):
        app.session(leave)
    assert app.session(lambda s: inject(s, NAMES)) == []
    with tenant_scope("acme"):
        assert app.session(lambda s: inject(s, NAMES)) == ["acme"]


def test_nothing_of_use_is_seen_of_other_connections(
    base: RlsDatabase, app: Client, attacker: Any
) -> None:
    def run(session: Session) -> list[str]:
        *_, signature = stolen(session)
        seen = attacker.execute(
            "SELECT query FROM pg_stat_activity WHERE usename = current_user "
            "AND pid <> pg_backend_pid()"
        ).fetchall()
        attacker.rollback()
        return [signature, *(query for (query,) in seen)]

    def told(session: Session) -> str:
        """Return the text of the statement that told the tenant."""
        connection: Any = session.connection().connection.driver_connection
        pid = connection.info.backend_pid
        [(query,)] = attacker.execute(
            "SELECT query FROM pg_stat_activity WHERE pid = %s", [pid]
        ).fetchall()
        attacker.rollback()
        return str(query)

    with tenant_scope("globex"):
        signature, *queries = app.session(run)
        query = app.session(told)
    assert "set_config('tenantshield.signature', $" in query
    assert "globex" not in query
    assert not any(signature in each for each in queries)


@pytest.mark.parametrize("driver", ["psycopg_async", "asyncpg"])
def test_nothing_is_seen_with_other_drivers(base: RlsDatabase, attacker: Any, driver: Any) -> None:
    client = Client(base, driver, key=KEY)

    def told(session: Session) -> list[str]:
        session.connection()
        rows = attacker.execute(
            "SELECT query FROM pg_stat_activity WHERE usename = current_user "
            "AND pid <> pg_backend_pid()"
        ).fetchall()
        attacker.rollback()
        return [query for (query,) in rows]

    with tenant_scope("globex"):
        queries = client.session(told)
    client.close()
    assert any("set_config('tenantshield.signature', $" in each for each in queries)
    assert not any("globex" in each for each in queries)


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
