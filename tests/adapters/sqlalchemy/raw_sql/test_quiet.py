"""A statement is quiet only if all of it is what SQLAlchemy renders for a plain ``SELECT``."""

from __future__ import annotations

import pytest

from tenantshield_mw.adapters.sqlalchemy.raw_sql.marks import (
    CLOSE,
    CLOSE_TABLE,
    OPEN,
)
from tenantshield_mw.adapters.sqlalchemy.raw_sql.quiet import names_in_quiet


def marked(sql: str) -> str:
    """Return ``sql`` with marks: ``<name>`` is an identifier, and ``<name!>`` a confined table."""
    return sql.replace("!>", CLOSE_TABLE).replace(">", CLOSE).replace("<", OPEN)


def quiet(sql: str, *names: str) -> bool:
    return names_in_quiet(marked(sql), frozenset(names or ("bill",))) is not None


PLAIN = "SELECT <bill!>.<id> AS <bill_id> FROM <bill!> WHERE <bill!>.<tenant_id> = :tenant"


@pytest.mark.parametrize(
    "sql",
    [
        PLAIN,
        f"{PLAIN} AND <bill!>.<id> IN (__[POSTCOMPILE_ids]) ORDER BY <bill!>.<id> DESC LIMIT 5",
        "SELECT count(*) FROM <bill!> LEFT OUTER JOIN <line!> ON <bill!>.<id> = <line!>.<bill_id>",
        'SELECT DISTINCT <"Bill"!>.<`id`> FROM <"Bill"!> WHERE <x> = %(tenant)s',
        "SELECT coalesce(<a>, 0) + 1 - 2 / 3 FROM <bill!>",
    ],
)
def test_what_a_select_consists_of_is_quiet(sql: str) -> None:
    assert quiet(sql)


@pytest.mark.parametrize(
    "end",
    [
        "AND note = 'x'",
        "AND <note> = bill",
        "; SELECT 1",
        "-- x",
        "/* x */",
        "AND f(<note>)",
        "AND <f>(<note>)",
        "AND <f> (<note>)",
        "AND <two words> = 1",
        'AND "note" = 1',
        "AND <note = 1",
        "AND \\x",
        "UNION select 1",
        "FOR UPDATE",
    ],
)
def test_anything_else_is_not(end: str) -> None:
    assert not quiet(f"{PLAIN} {end}")


@pytest.mark.parametrize("name", ["pg_stats", "sqlite_master", "information_schema"])
def test_a_relation_with_values_of_others_is_not(name: str) -> None:
    assert not quiet(f"SELECT <x> FROM <{name}>")


def test_a_table_may_be_called_like_a_keyword() -> None:
    assert quiet("SELECT <a> FROM <b!> GROUP BY <a>")
    assert not quiet("SELECT <a> FROM <b!> GROUP BY <a>", "group")


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        (PLAIN, set()),
        ("SELECT <bill>.<id> FROM <bill!>", set()),
        ("SELECT <bill> FROM <bill!>", {"bill"}),
        ('SELECT <a> FROM <b!>, <"Bill">', {"bill"}),
        ("SELECT <a> FROM <b!> JOIN <bill> ON <b>.<a> = <bill>.<a>", {"bill"}),
    ],
)
def test_names_that_the_guard_has_not_rendered_as_tables_are_found(
    sql: str, named: set[str]
) -> None:
    assert names_in_quiet(marked(sql), frozenset({"bill"})) == named
