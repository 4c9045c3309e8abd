"""What somebody who can run any SQL as the application's role can do with signatures.

The attacker has the application's role and a connection of the driver's own, but not the key.
Each test is a line of the threat model in SECURITY.md.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

import psycopg
import pytest
from sqlalchemy.orm import Session

from tenantshield_mw import tenant_scope

from . import attacking
from .attacking import (
    KEY,
    NAMES,
    claim,
    inject,
    refused,
    signed_by_key,
    stolen,
)
from .conftest import Client, RlsDatabase, by_cursor

base, app, attacker = attacking.base, attacking.app, attacking.attacker


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


TYPES: Final = {
    "floor_by_integer": (
        "integer",
        "7",
        ["none of it", "9" * 19, "-", "1.0", "9" * 40, " 7", "7\n"],
    ),
    "floor_by_uuid": ("uuid", str(uuid.UUID(int=7)), ["none of it", "0" * 31, "{" + "0" * 32, "é"]),
}


@pytest.mark.parametrize(
    ("table", "claimed"), [(table, each) for table in TYPES for each in TYPES[table][2]]
)
def test_a_tenant_that_is_none_of_its_type_shows_no_rows_and_is_no_error(
    base: RlsDatabase, attacker: Any, table: str, claimed: str
) -> None:
    kind, value, _ = TYPES[table]
    base.here.run(f"INSERT INTO {table} VALUES (1, '{value}') ON CONFLICT DO NOTHING")
    attacker.execute("SELECT set_config(%s, %s, true)", [f"tenantshield.{kind}", claimed])
    # Has the conditions evaluated in another order.
    attacker.execute("SET LOCAL cpu_operator_cost = 0")
    for setting in ("enable_seqscan", "enable_indexscan", "enable_bitmapscan"):
        attacker.execute(f"SET LOCAL {setting} = off")
        assert attacker.execute(f"SELECT 1 FROM {table} WHERE id = 1").fetchall() == []


@pytest.mark.parametrize("table", ['"floor Cellar"', *TYPES])
def test_no_setting_of_the_session_makes_a_refusal_say_anything_about_the_rows(
    base: RlsDatabase, attacker: Any, table: str
) -> None:
    """A function is compiled once in a session, so each setting gets one of its own."""
    kind, value, _ = TYPES.get(table, ("text", "", []))
    number = 1 if value else 2
    if value:
        base.here.run(f"INSERT INTO {table} VALUES (1, '{value}') ON CONFLICT DO NOTHING")
    url = base.url(base.app).set(drivername="postgresql").render_as_string(hide_password=False)
    told = []
    for name, value in _settings(attacker):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT set_config(%s, 'globex', false)", [f"tenantshield.{kind}"])
            connection.execute("SELECT set_config('tenantshield.signature', 'x', false)")
            connection.execute("SET enable_seqscan = off")
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
            if _outcome(connection, table, number) != _outcome(connection, table, 999):
                told.append(f"{name} = {value}")
    assert told == []


def _settings(connection: Any) -> list[tuple[str, str]]:
    """Return the settings that anybody may change, with each value that is one of a few."""
    found: list[tuple[str, str]] = connection.execute(
        "SELECT name, value FROM pg_settings, "
        "unnest(CASE vartype WHEN 'bool' THEN array['on', 'off'] WHEN 'enum' THEN enumvals "
        "ELSE array[min_val, max_val] END) AS value "
        "WHERE context = 'user' AND value <> setting AND vartype <> 'string' "
        # Time runs out while a statement runs, whatever it does. The others are not a session's.
        "AND name NOT LIKE '%timeout' AND name NOT LIKE 'transaction_%' ORDER BY 1, 2"
    ).fetchall()
    assert ("standard_conforming_strings", "off") in found
    return found


def _outcome(connection: Any, table: str, number: int) -> str:
    try:
        sql = f"SELECT 1 FROM {table} WHERE id = {number}"
        return str(connection.execute(sql).fetchall())
    except psycopg.Error as error:
        return str(error)
