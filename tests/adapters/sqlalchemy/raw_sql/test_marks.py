"""The marks around rendered identifiers hide nothing, and are not sent."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, column, literal, literal_column, select, table, text
from sqlalchemy.exc import OperationalError

from tenantshield_mw import UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.raw_sql.marks import (
    CLOSE,
    CLOSE_TABLE,
    OPEN,
    without_marks,
)
from tenantshield_mw.adapters.sqlalchemy.raw_sql.table_names import unmarked_names


@pytest.mark.parametrize("character", [chr(code) for code in range(0xE000, 0xE004)])
def test_a_character_for_private_use_hides_no_name(engine: Engine, character: str) -> None:
    # With such characters the guard marks what it has rendered itself.
    forms: list[Any] = [
        text(f"SELECT id FROM raw_{character}ledger"),
        text(f"SELECT id FROM {character}raw_ledger{character}"),
        select(literal_column(f"(SELECT max(id) FROM raw_{character}ledger)")),
        select(column("id")).select_from(table(f"raw_{character}ledger")),
    ]
    with engine.connect() as connection, tenant_scope("acme"):
        for form in forms:
            with pytest.raises((UnguardedStatementError, OperationalError)):
                connection.execute(form)
        assert connection.scalar(text(f"SELECT 'a{character}b'")) == f"a{character}b"
        assert connection.scalar(select(literal(f"{character}b", literal_execute=True))) == (
            f"{character}b"
        )


def test_a_name_that_nothing_has_confined_is_found_where_a_table_stands(engine: Engine) -> None:
    names = frozenset({"raw_ledger"})
    for sql, found in (
        (f"SELECT * FROM {OPEN}raw_ledger{CLOSE}", names),
        (f"UPDATE {OPEN}raw_ledger{CLOSE} SET id = 1", names),
        (f"SELECT * FROM {OPEN}raw_ledger{CLOSE_TABLE}", set()),
        (f"SELECT {OPEN}raw_ledger{CLOSE} FROM {OPEN}raw_rates{CLOSE}", set()),
    ):
        assert unmarked_names(sql, names, engine.dialect) == found


def test_marks_are_not_sent() -> None:
    sql = f'SELECT {OPEN}id{CLOSE} FROM {OPEN}"Raw Ledger"{CLOSE_TABLE}'
    assert without_marks(sql) == 'SELECT id FROM "Raw Ledger"'
