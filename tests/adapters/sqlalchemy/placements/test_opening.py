"""The engine of a tenant's database asks for the URL again for each connection."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event

from tenantshield_mw import ConfigurationError, PlacementError, PlacementUnavailableError
from tenantshield_mw.adapters.sqlalchemy.placements import Databases
from tenantshield_mw.adapters.sqlalchemy.placements.opening import open_database
from tests.databases import database


@pytest.fixture
def base() -> Engine:
    return create_engine("sqlite://")


def test_credentials_may_change_while_the_application_runs() -> None:
    with (
        database("postgresql") as here,
        here.roles(early="LOGIN", late="LOGIN") as (early, late),
    ):
        users = [early]
        engine = open_database(
            "acme",
            Databases(url=lambda name: here.url.set(username=users[-1])),
            create_engine(here.url),
        )
        with engine.connect() as first:
            users.append(late)
            with engine.connect() as second:
                found = [
                    each.exec_driver_sql("SELECT current_user").scalar() for each in (first, second)
                ]
        engine.dispose()
        assert found == [early, late]


def test_an_unknown_database_says_where_to_add_it(base: Engine) -> None:
    urls: dict[str, str] = {}
    with pytest.raises(PlacementError, match=r"'acme' is unknown: Databases\(url=...\)"):
        open_database("acme", Databases(url=urls.__getitem__), base)


def test_sqlite_does_not_create_a_database_that_is_missing(base: Engine, tmp_path: Path) -> None:
    path = tmp_path / "acme.db"
    engine = open_database("acme", Databases(url=lambda name: f"sqlite:///{path}"), base)
    with pytest.raises(PlacementError, match="does not exist"):
        engine.connect()
    assert not path.exists()
    path.touch()
    engine.connect().close()
    engine.dispose()


def test_a_database_that_cannot_be_reached_is_unavailable(tmp_path: Path) -> None:
    base = create_engine("postgresql+psycopg:///app")
    url = f"postgresql+psycopg://nobody@/app?host={tmp_path}"
    engine = open_database("acme", Databases(url=lambda name: url), base)
    with pytest.raises(PlacementUnavailableError, match="cannot be reached") as caught:
        engine.connect()
    assert caught.value.__cause__ is not None


def test_another_kind_of_database_is_refused(base: Engine) -> None:
    with pytest.raises(ConfigurationError, match="postgresql"):
        open_database("acme", Databases(url=lambda name: "postgresql+psycopg:///acme"), base)


def test_options_limits_and_listeners_are_the_applications(base: Engine, tmp_path: Path) -> None:
    (tmp_path / "acme.db").touch()
    connected: list[object] = []

    def configure(engine: Engine) -> None:
        event.listen(engine, "connect", lambda connection, record: connected.append(connection))

    databases = Databases(
        url=lambda name: f"sqlite:///{tmp_path}/{name}.db",
        connections=1,
        options={"pool_timeout": 0, "connect_args": {"cached_statements": 7}},
        configure=configure,
    )
    engine = open_database("acme", databases, base)
    with engine.connect(), pytest.raises(Exception, match="QueuePool limit of size 1"):
        engine.connect()
    assert len(connected) == 1
    engine.dispose()
