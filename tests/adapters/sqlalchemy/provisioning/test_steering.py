"""Connections of env.py go to one place, whatever it asks for."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy.provisioning.steering import Course, steered


def test_connections_go_elsewhere_in_the_block_only(tmp_path: Path) -> None:
    for name in ("asked", "steered"):
        with sqlite3.connect(tmp_path / name) as made:
            made.execute(f"CREATE TABLE {name} (id)")
        made.close()

    def tables() -> list[str]:
        engine = create_engine(f"sqlite:///{tmp_path}/asked")
        with engine.connect() as connection:
            found = connection.scalars(text("SELECT name FROM sqlite_master")).all()
        engine.dispose()
        return [*found]

    assert tables() == ["asked"]
    with steered(Course("sqlite", f"sqlite:///{tmp_path}/steered", ())):
        assert tables() == ["steered"]
    with steered(Course("sqlite", None, ())):
        assert tables() == ["asked"]
    assert tables() == ["asked"]


def test_a_second_database_is_refused(tmp_path: Path) -> None:
    first, second = (create_engine(f"sqlite:///{tmp_path}/{name}") for name in "ab")
    with steered(Course("sqlite", None, ())):
        first.connect().close()
        with pytest.raises(ConfigurationError, match="several databases"):
            second.connect()
    first.dispose()


def test_another_kind_of_database_is_refused() -> None:
    with (
        steered(Course("postgresql", None, ())),
        pytest.raises(ConfigurationError, match="connects to 'sqlite', and the fleet to"),
    ):
        create_engine("sqlite://").connect()
