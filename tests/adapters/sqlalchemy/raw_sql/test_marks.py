"""The marks around rendered identifiers hide nothing, and are not sent."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, column, literal, literal_column, select, table, text
from sqlalchemy.exc import OperationalError

from tenantshield_mw import UnguardedStatementError, tenant_scope


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
