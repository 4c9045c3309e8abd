"""The doctor finds a MariaDB that truncates values silently."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from sqlalchemy import Connection

from tenantshield_mw.adapters.sqlalchemy.doctor import examine
from tests.databases import database, require

from .shop import Shop

KIND: Final = "sql-mode-not-strict"


@pytest.fixture
def connection() -> Iterator[Connection]:
    require("mariadb")
    with database("mariadb") as here:
        engine = here.engine()
        with engine.connect() as made:
            yield made
        engine.dispose()


@pytest.mark.parametrize(
    ("mode", "is_found"),
    [
        ("", True),
        ("NO_ZERO_DATE", True),
        ("STRICT_TRANS_TABLES", False),
        ("STRICT_ALL_TABLES", False),
        ("TRADITIONAL", False),
    ],
)
def test_a_mode_that_is_not_strict_is_found(
    connection: Connection, mode: str, is_found: bool
) -> None:
    cursor = connection.connection.cursor()
    cursor.execute(f"SET SESSION sql_mode = '{mode}'")
    cursor.close()
    kinds = {each.kind for each in examine(Shop().metadata, connection)}
    assert (KIND in kinds) == is_found
