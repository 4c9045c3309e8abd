"""What a session holds is of the place in which it was found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from tenantshield_mw import (
    CrossTenantAccessError,
    ScopeMismatchError,
    TenantContext,
    system_scope,
    tenant_scope,
)
from tests.adapters.sqlalchemy.placements.homes import (
    Colour,
    Homes,
    Lamp,
    Shelf,
    engine_of_homes,
    homes_on,
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "policies"])
def made(request: pytest.FixtureRequest) -> Iterator[Homes]:
    with homes_on(request.param) as homes:
        yield homes


@pytest.fixture
def homes(made: Homes) -> Homes:
    for tenant, place in made.places.items():
        where = made.here if place.database is None else made.away[place.database]
        schema = "" if place.schema is None else f"{place.schema}."
        where.run(f"DELETE FROM {schema}home_lamp", f"DELETE FROM {schema}home_shelf")
        where.run(f"INSERT INTO {schema}home_shelf VALUES (1, '{tenant}', '{tenant}')")
    return made


engine = engine_of_homes()


def moved(homes: Homes, tenant: str, to: str) -> TenantContext:
    """Return a tenant whose rows are where another's are."""
    place = homes.places[to]
    return TenantContext(tenant, {"schema": place.schema, "database": place.database})


@pytest.mark.parametrize("others", [("globex", "umbrella"), ("umbrella", "initech")])
def test_a_session_that_goes_on_for_another_tenant_reads_that_ones_rows(
    homes: Homes, engine: Engine, others: tuple[str, ...]
) -> None:
    with Session(engine) as session:
        for tenant in (*others, *others):
            with tenant_scope(homes.tenant(tenant)):
                assert session.get(Shelf, 1).name == tenant  # type: ignore[union-attr]


@pytest.mark.parametrize("to", ["globex", "umbrella"])
def test_the_same_tenant_in_another_place_has_other_rows(
    homes: Homes, engine: Engine, to: str
) -> None:
    with Session(engine) as session:
        with tenant_scope(homes.tenant("initech")):
            shelf = session.get(Shelf, 1)
            assert shelf is not None
        with tenant_scope(moved(homes, "initech", to)):
            assert session.get(Shelf, 1) is None
            with pytest.raises(ScopeMismatchError, match="its session went on in another"):
                shelf.name = "changed"
            # Nor does it prove that a reference is to a row of this place.
            session.add(Lamp(id=1, shelf_id=1))
            with pytest.raises(CrossTenantAccessError):
                session.flush()
            session.rollback()
        with tenant_scope(homes.tenant("initech")):
            session.add(Lamp(id=1, shelf_id=1))
            session.commit()
    assert homes.rows("initech", "home_lamp") == [(1, "initech", 1, None)]
    assert homes.rows(to, "home_lamp") == []


def test_pending_work_is_not_written_to_another_place(homes: Homes, engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope(homes.tenant("initech")):
            session.get(Shelf, 1)
            session.add(Shelf(id=5))
        with tenant_scope(moved(homes, "initech", "globex")), pytest.raises(ScopeMismatchError):
            session.flush()
        with tenant_scope(homes.tenant("initech")):
            session.commit()
    assert [row[0] for row in homes.rows("initech", "home_shelf")] == [1, 5]


def test_an_object_of_a_shared_table_is_of_its_place_too(homes: Homes, engine: Engine) -> None:
    with Session(engine, expire_on_commit=False) as session:
        with tenant_scope(homes.tenant("umbrella")):
            colour = session.get(Colour, 1)
            assert colour is not None
            session.commit()
        # Without a scope, it would be written to the shared tables' database.
        assert session.get(Colour, 2) is None
        with pytest.raises(ScopeMismatchError):
            colour.name = "blue"
        with tenant_scope(homes.tenant("globex")):
            assert session.get(Colour, 1) is not colour
    for where in (homes.here, *homes.away.values()):
        table = "common.home_colour" if homes.has_schemas else "home_colour"
        assert where.read(f"SELECT name FROM {table}") == [("red",)]


def test_system_scopes_of_two_places_are_two_scopes(homes: Homes, engine: Engine) -> None:
    with Session(engine) as session:
        for tenant in ("globex", "umbrella", "globex"):
            with system_scope("a look", at=homes.places[tenant]):
                assert session.get(Shelf, 1).name == tenant  # type: ignore[union-attr]
        with system_scope("a change", at=homes.places["globex"]):
            session.get(Shelf, 1).name = "new"  # type: ignore[union-attr]
        with system_scope("a look", at=homes.places["umbrella"]), pytest.raises(ScopeMismatchError):
            session.scalars(select(Shelf)).all()
        session.rollback()


def test_an_object_that_enters_in_another_place_changes_no_row_there(
    homes: Homes, engine: Engine
) -> None:
    with tenant_scope(homes.tenant("initech")), Session(engine) as session:
        shelf = session.get(Shelf, 1)
        assert shelf is not None
        session.expunge(shelf)
    with tenant_scope(moved(homes, "initech", "globex")), Session(engine) as session:
        session.add(shelf)
        shelf.name = "changed"
        with pytest.raises(StaleDataError):
            session.commit()
    assert homes.rows("globex", "home_shelf") == [(1, "globex", "globex")]


def test_a_session_without_placements_is_not_concerned(homes: Homes) -> None:
    if homes.here.name != "sqlite":
        pytest.skip("one database tells it")
    engine = homes.here.engine()
    with Session(engine) as session:
        with system_scope("first", at=homes.places["globex"]):
            colour = session.get(Colour, 1)
        with tenant_scope(homes.tenant("umbrella")):
            assert session.get(Colour, 1) is colour
    engine.dispose()
