"""Nothing is looked for in another place than that of the scope."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, insert, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from tenantshield_mw import (
    ConfigurationError,
    PlacementError,
    PlacementUnavailableError,
    TenantContext,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import SessionScope
from tenantshield_mw.adapters.sqlalchemy.placements import (
    SHARED,
    Databases,
    Placement,
    Placements,
)

from .homes import Base, Shelf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("shared", "acme", "globex"):
        engine = create_engine(f"sqlite:///{tmp_path}/{name}.db")
        with system_scope("the tables"):
            Base.metadata.create_all(engine)
            with engine.begin() as connection:
                # In the wrong place, as a mistake could have left them.
                connection.execute(
                    insert(Shelf),
                    [{"id": 1, "tenant_id": "globex", "name": name}],
                )
        engine.dispose()
    return tmp_path


def databases(folder: Path, **options: Any) -> Databases:
    return Databases(url=lambda name: f"sqlite:///{folder}/{name}.db", **options)


@pytest.fixture
def engine(folder: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{folder}/shared.db")
    yield engine
    engine.dispose()


def seen(engine: Engine) -> list[str | None]:
    with Session(engine) as session:
        return list(session.scalars(select(Shelf.name)))


def tenant(name: str, database: str | None) -> TenantContext:
    return TenantContext(name, {"database": database})


def test_a_wrong_attribute_shows_nothing(engine: Engine, folder: Path) -> None:
    Placements(engine, databases=databases(folder))
    for place in ("globex", "shared", None):
        with tenant_scope(tenant("acme", place)):
            assert seen(engine) == []
    with tenant_scope(tenant("globex", "globex")):
        assert seen(engine) == ["globex"]


@pytest.mark.parametrize(
    ("attributes", "error", "message"),
    [
        ({}, ConfigurationError, "does not say where its rows are"),
        ({"database": "nowhere"}, PlacementError, "does not exist"),
        ({"database": ""}, PlacementError, "invalid"),
        ({"schema": "globex"}, PlacementError, "schemas=Schemas"),
        ({"placement": "globex"}, ConfigurationError, "does not say"),
    ],
)
def test_a_place_that_is_not_known_is_an_error(
    engine: Engine, folder: Path, attributes: dict[str, Any], error: type[Exception], message: str
) -> None:
    Placements(engine, databases=databases(folder))
    with tenant_scope(TenantContext("globex", attributes)), pytest.raises(error, match=message):
        seen(engine)


def test_a_system_scope_without_a_place_is_an_error(engine: Engine, folder: Path) -> None:
    Placements(engine, databases=databases(folder))
    with system_scope("a look"), pytest.raises(ConfigurationError, match="for_each_tenant"):
        seen(engine)
    wrong: Any = "globex"
    with system_scope("a look", at=wrong), pytest.raises(ConfigurationError, match="Placement"):
        seen(engine)
    with system_scope("a look", at=SHARED):
        assert seen(engine) == ["shared"]
        with system_scope("within"):
            assert seen(engine) == ["shared"]


def test_a_table_that_a_database_lacks_is_not_found_in_another(
    engine: Engine, folder: Path
) -> None:
    (folder / "empty.db").touch()
    Placements(engine, databases=databases(folder))
    with tenant_scope(tenant("globex", "empty")), pytest.raises(OperationalError, match="no such"):
        seen(engine)


def test_the_application_may_say_where_a_tenant_is(engine: Engine, folder: Path) -> None:
    places = {"globex": Placement(database="globex")}
    Placements(engine, databases=databases(folder), of=lambda each: places[str(each.tenant_id)])
    with tenant_scope("globex"):
        assert seen(engine) == ["globex"]
    with tenant_scope(TenantContext("globex", {"placement": SHARED})):
        assert seen(engine) == ["shared"]


def test_what_says_where_a_tenant_is_returns_a_placement(engine: Engine, folder: Path) -> None:
    wrong: Any = lambda each: "globex"  # noqa: E731
    Placements(engine, databases=databases(folder), of=wrong)
    with tenant_scope("globex"), pytest.raises(ConfigurationError, match="take a Placement"):
        seen(engine)


def test_an_engine_has_placements_once(engine: Engine, folder: Path) -> None:
    Placements(engine, databases=databases(folder))
    with pytest.raises(ConfigurationError, match="already"):
        Placements(engine.execution_options(a=1), databases=databases(folder))


@pytest.mark.parametrize("arguments", [{}, {"databases": 1}, {"of": 5}])
def test_arguments_are_checked(engine: Engine, folder: Path, arguments: dict[str, Any]) -> None:
    given: dict[str, Any] = {"databases": databases(folder), **arguments} if arguments else {}
    with pytest.raises(ConfigurationError):
        Placements(engine, **given)


def test_they_are_given_to_what_an_application_connects_with(folder: Path) -> None:
    url = f"sqlite:///{folder}/shared.db"
    makers = (sessionmaker, lambda engine: scoped_session(sessionmaker(engine)))
    for make in makers:
        engine = create_engine(url)
        assert Placements(make(engine), databases=databases(folder)).engine is engine
        engine.dispose()
    async_engine = create_async_engine(url.replace("sqlite", "sqlite+aiosqlite"))
    factory = async_sessionmaker(async_engine)
    found = Placements(factory, databases=databases(folder)).engine
    assert found is async_engine.sync_engine
    with pytest.raises(ConfigurationError, match="bound to one"):
        Placements(sessionmaker(), databases=databases(folder))


def test_a_tenant_that_takes_all_connections_is_alone_in_that(engine: Engine, folder: Path) -> None:
    Placements(engine, databases=databases(folder, connections=1, options={"pool_timeout": 0}))
    with tenant_scope(tenant("globex", "globex")), engine.connect():
        with pytest.raises(PlacementUnavailableError, match=r"connections=\.\.\."):
            engine.connect()
        with tenant_scope(tenant("acme", "acme")):
            assert seen(engine) == []


def test_no_more_databases_are_open_than_allowed(engine: Engine, folder: Path) -> None:
    placements = Placements(engine, databases=databases(folder, open_databases=1))
    for name in ("globex", "acme", "globex"):
        with tenant_scope(tenant("globex", name)):
            assert seen(engine) == [name]
        assert placements.open_databases() == (name,)
    with (
        tenant_scope(tenant("globex", "globex")),
        engine.connect(),
        tenant_scope(tenant("globex", "acme")),
        pytest.raises(PlacementUnavailableError),
    ):
        seen(engine)


def test_a_directory_is_asked_in_its_own_place_whatever_is_in_scope(
    engine: Engine, folder: Path
) -> None:
    Placements(engine, databases=databases(folder))
    places = {"globex": "globex", "acme": "acme"}

    def lookup(each: Any) -> TenantContext:
        return tenant(each, places[each])

    with tenant_scope(tenant("acme", "acme")), SessionScope("globex", directory=lookup):
        assert seen(engine) == ["globex"]
