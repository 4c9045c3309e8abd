"""Rows move to another place, all of them and once, while the tenant goes on.

Everything is compared by the driver alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from tenantshield_mw import (
    ConfigurationError,
    PlacementUnavailableError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy.databases import sqlstate
from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Placement
from tenantshield_mw.adapters.sqlalchemy.provisioning import following
from tenantshield_mw.adapters.sqlalchemy.provisioning.copying import Rows
from tenantshield_mw.adapters.sqlalchemy.provisioning.following import Copy
from tenantshield_mw.adapters.sqlalchemy.provisioning.journal import Journal, Step
from tenantshield_mw.adapters.sqlalchemy.provisioning.listing import Listing
from tenantshield_mw.adapters.sqlalchemy.provisioning.making import make
from tenantshield_mw.adapters.sqlalchemy.provisioning.moving import move, resume, undo
from tenantshield_mw.adapters.sqlalchemy.rls import create_policies

from .estates import TABLES, TARGET, Estate, estate_on, fleet_of, rows
from .models import Base, Lamp, Shelf

ACME = Placement(schema="acme")
AWAY = Placement(database="acme")


def test_there_and_back_through_each_kind_of_place(estate: Estate) -> None:
    before = rows(estate, SHARED)
    at = SHARED
    for target in (ACME, AWAY, ACME, SHARED, AWAY, SHARED):
        moved = move(estate.fleet, "acme", target)
        assert (moved.source, moved.target, moved.rows) == (at, target, 6)
        assert estate.listed() == {"acme": target, "initech": SHARED}
        everywhere = (SHARED, ACME) if target != AWAY else (SHARED, ACME, AWAY)
        assert rows(estate, *everywhere) == before
        assert {row[1] for row in estate.rows(target, "estate_lamp")} >= {"acme"}
        if target != SHARED:
            assert {row[1] for row in estate.rows(SHARED, "estate_lamp")} == {"initech"}
        estate.fleet.directory.invalidate("acme")
        with tenant_scope(estate.found("acme")), Session(estate.engine) as session:
            assert len(session.scalars(select(Lamp)).all()) == 3
        at = target


def test_new_rows_get_new_keys_after_a_move(estate: Estate) -> None:
    move(estate.fleet, "acme", ACME)
    with tenant_scope(estate.found("acme")), Session(estate.engine) as session:
        session.add(Shelf(name="new"))
        session.commit()
    assert len(estate.rows(ACME, "estate_shelf")) == 4


def test_a_process_that_remembers_the_old_place_is_refused_once(estate: Estate) -> None:
    remembered = estate.found("acme")
    move(estate.fleet, "acme", ACME)
    for scope in (remembered, remembered):
        with tenant_scope(scope), Session(estate.engine) as session:
            session.add(Shelf(name="late"))
            with pytest.raises(PlacementUnavailableError, match="have left it"):
                session.commit()
    assert estate.found("acme").attributes["schema"] == "acme"
    estate.fill("acme", 10)
    assert len(estate.rows(ACME, "estate_shelf")) == 6
    assert {row[1] for row in estate.rows(SHARED, "estate_shelf")} == {"initech"}


def test_a_transaction_that_has_begun_is_waited_for_and_its_rows_move(estate: Estate) -> None:
    with tenant_scope(estate.found("acme")), Session(estate.engine) as session:
        session.add(Shelf(id=50, name="late"))
        session.flush()
        with pytest.raises(ConfigurationError, match=r"open for longer than 0\.2 seconds"):
            move(estate.fleet, "acme", ACME, patience=0.2)
        assert estate.listed()["acme"] == SHARED
        session.commit()
    # All is as it was.
    estate.fill("acme", 60)
    assert move(estate.fleet, "acme", ACME).rows == 13
    assert len(estate.rows(ACME, "estate_shelf")) == 7


def written_by(estate: Estate, tenant: str) -> bool:
    """Write rows of a tenant, wherever the directory says, and return whether that was possible."""
    estate.fleet.directory.invalidate(tenant)
    try:
        estate.fill(tenant, 200 if tenant == "acme" else 300)
    except PlacementUnavailableError:
        return False
    return True


def seen_by_system(estate: Estate, *places: Placement) -> int | None:
    """Return how many rows a system scope sees; ``None`` if it would have to wait."""
    found = 0
    for each in places:
        estate.engine.dispose()
        try:
            with system_scope("a report", at=each), estate.engine.connect() as connection:
                found += len(connection.execute(select(Lamp.id)).all())
        except OperationalError as error:
            # 55P03 lock_not_available
            if sqlstate(error.orig) != "55P03":
                raise
            return None
    return found


@pytest.fixture
def impatient(estate: Estate) -> Estate:
    """An estate in which nothing waits forever."""
    estate.here.run(f"ALTER DATABASE {estate.here.url.database} SET lock_timeout = '100ms'")
    estate.engine.dispose()
    return estate


def during(monkeypatch: pytest.MonkeyPatch, step: Any, name: str, look: Callable[[], Any]) -> None:
    """Look around before a step of a move."""
    done = getattr(step, name)

    def looking(*arguments: Any, **options: Any) -> Any:
        look()
        return done(*arguments, **options)

    monkeypatch.setattr(step, name, looking)


MARKS = "SELECT FROM pg_tables WHERE schemaname = 'tenantshield_moves' AND tablename LIKE 'away%'"


def never(*arguments: Any) -> None:
    raise AssertionError("all rows are copied while the tenant is stopped")


def test_the_tenant_is_served_while_its_rows_are_copied_and_none_is_seen_twice(
    impatient: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate, seen = impatient, list[Any]()
    make(estate.fleet, ACME)

    def look() -> None:
        seen.append([written_by(estate, tenant) for tenant in ("acme", "initech")])
        estate.here.run(
            "DELETE FROM estate_lamp WHERE id = 1",
            "UPDATE estate_shelf SET name = 'changed' WHERE id = 2",
        )
        seen.append(seen_by_system(estate, SHARED, ACME))

    # When all rows are copied, and some have changed.
    during(monkeypatch, Copy, "_catch_up", lambda: None if seen else look())
    monkeypatch.setattr(Rows, "copy_to", never)
    assert move(estate.fleet, "acme", ACME).rows == 11
    assert seen == [[True, True], 11]
    assert [row[0] for row in estate.rows(ACME, "estate_lamp")] == [2, 3, 200, 201, 202]
    assert estate.rows(ACME, "estate_shelf")[1] == (2, "acme", "changed")
    assert {row[1] for row in estate.rows(SHARED, "estate_shelf")} == {"initech"}


@pytest.mark.parametrize("target", [ACME, AWAY], ids=["schema", "database"])
def test_nothing_of_the_tenant_runs_while_its_copy_is_completed(
    impatient: Estate, monkeypatch: pytest.MonkeyPatch, target: Placement
) -> None:
    estate, seen = impatient, list[Any]()

    def look() -> None:
        seen.append([written_by(estate, tenant) for tenant in ("acme", "initech")])
        seen.append(seen_by_system(estate, SHARED))
        seen.append(len(estate.here.read(MARKS)))

    during(monkeypatch, Copy, "complete", look)
    move(estate.fleet, "acme", target)
    # The marks stay if the mover is killed now, unlike its locks.
    assert seen == [[False, True], None, 4 if target == ACME else 2]
    assert seen_by_system(estate, SHARED, target) == 9


def test_the_tenant_is_served_again_while_its_old_rows_are_deleted(
    impatient: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate, seen = impatient, list[Any]()

    def look() -> None:
        seen.append(written_by(estate, "acme"))
        seen.append([seen_by_system(estate, each) for each in (SHARED, ACME)])
        seen.append(len(estate.here.read(MARKS)))

    during(monkeypatch, Rows, "erase", look)
    assert move(estate.fleet, "acme", ACME).rows == 6
    # The tenant's at the source, and those of system scopes at both places.
    assert seen == [True, [None, None], 3]
    assert seen_by_system(estate, SHARED, ACME) == 9
    assert len(estate.rows(ACME, "estate_lamp")) == 6


def test_a_copy_that_cannot_follow_is_made_again_while_the_tenant_is_stopped(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(estate, SHARED)
    refused = 'INSERT INTO "nowhere" VALUES (1)'

    def apply(plan: Any, source: Any, target: Any, found: Any) -> None:
        target.exec_driver_sql(refused)

    monkeypatch.setattr(following, "apply", apply)
    move(estate.fleet, "acme", ACME)
    assert rows(estate, SHARED, ACME) == before
    assert len(estate.rows(ACME, "estate_lamp")) == 3


def test_a_copy_with_other_rows_is_not_switched_to(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, copied = rows(estate, SHARED), Rows.copy_to

    def copy_to(*given: Any) -> None:
        copied(*given)
        estate.here.run("UPDATE acme.estate_shelf SET name = 'changed'")

    def apply(plan: Any, source: Any, target: Any, found: Any) -> None:
        target.exec_driver_sql('INSERT INTO "nowhere" VALUES (1)')

    monkeypatch.setattr(following, "apply", apply)
    monkeypatch.setattr(Rows, "copy_to", copy_to)
    with pytest.raises(ConfigurationError, match="are not those in the shared tables"):
        move(estate.fleet, "acme", ACME)
    assert (rows(estate, SHARED), estate.listed()["acme"]) == (before, SHARED)
    estate.fill("acme", 10)


def test_the_policies_of_the_tables_see_the_copy_as_the_tenants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        estate_on("postgresql", tmp_path, empty=True) as estate,
        estate.here.roles(owner="LOGIN") as (owner,),
    ):
        estate.here.run(
            f"GRANT CREATE ON DATABASE {estate.here.url.database} TO {owner}",
            f"GRANT ALL ON SCHEMA public TO {owner}",
            f"ALTER TABLE estate_tenant OWNER TO {owner}",
        )
        url = estate.here.url.set(username=owner)
        creator = create_engine(url)
        with system_scope("create the tables"), creator.begin() as connection:
            Base.metadata.create_all(connection)
            create_policies(connection, Base.metadata)
        creator.dispose()
        estate.enlist("acme")
        estate.here.run(
            "INSERT INTO estate_shelf SELECT n, 'acme', 'x' FROM generate_series(1, 9) n"
        )
        change = (
            "INSERT INTO estate_shelf VALUES (10, 'acme', 'new')",
            "UPDATE estate_shelf SET name = 'changed' WHERE id = 1",
            "DELETE FROM estate_shelf WHERE id = 2",
        )
        during(monkeypatch, Copy, "complete", lambda: estate.here.run(*change))
        monkeypatch.setattr(Rows, "copy_to", never)
        fleet = fleet_of(url.render_as_string(hide_password=False), policies=True)
        assert move(fleet, "acme", ACME).rows == 9
        Listing(fleet).close()
        found = [(id_, name) for id_, _, name in estate.rows(ACME, "estate_shelf")]
        assert found == [(1, "changed"), *((n, "x") for n in range(3, 10)), (10, "new")]
        assert estate.rows(SHARED, "estate_shelf") == []


def test_rows_that_are_not_the_same_after_the_copy_stay_where_they_are(estate: Estate) -> None:
    make(estate.fleet, ACME)
    estate.here.run(
        "CREATE FUNCTION acme.change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.name := 'changed'; RETURN NEW; END $$",
        "CREATE TRIGGER change BEFORE INSERT ON acme.estate_shelf "
        "FOR EACH ROW EXECUTE FUNCTION acme.change()",
    )
    before = rows(estate, SHARED)
    with pytest.raises(ConfigurationError, match="would hold other values"):
        move(estate.fleet, "acme", ACME)
    assert (rows(estate, SHARED), rows(estate, ACME)) == (before, {each: [] for each in TABLES})
    estate.fill("acme", 10)


def test_what_cannot_be_moved_is_refused_and_all_is_as_it_was(
    estate: Estate, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="in the shared tables already"):
        move(estate.fleet, "acme", SHARED)
    with pytest.raises(ConfigurationError, match="no tenant with this id"):
        move(estate.fleet, "nobody", ACME)
    for call in (resume, undo):
        with pytest.raises(ConfigurationError, match="no move of this tenant was interrupted"):
            call(estate.fleet, "acme")
    make(estate.fleet, ACME)
    estate.here.run("INSERT INTO acme.estate_shelf VALUES (7, 'acme', 'stray')")
    with pytest.raises(ConfigurationError, match="the directory does not name"):
        move(estate.fleet, "acme", ACME)
    estate.fill("acme", 10)
    with (
        estate_on("sqlite", tmp_path) as other,
        pytest.raises(ConfigurationError, match="on PostgreSQL only"),
    ):
        move(other.fleet, "acme", AWAY)


def test_rows_are_left_alone_if_something_else_writes_the_directory(estate: Estate) -> None:
    make(estate.fleet, ACME)
    estate.here.run("INSERT INTO acme.estate_shelf VALUES (7, 'acme', 'the only one')")
    before = rows(estate, SHARED, ACME)
    for step, written, said in (
        (Step.SWITCHED, "NULL", "does not name the schema 'acme', where the rows are"),
        (Step.BEGUN, "'acme'", "before the rows were there"),
        (Step.CLOSED, "'acme'", "before the rows were there"),
    ):
        estate.here.run(f"UPDATE estate_tenant SET schema = {written} WHERE id = 'acme'")
        with Journal.opened(estate.fleet) as journal:
            journal.begin("acme", SHARED, ACME)
            journal.write(step)
        with pytest.raises(ConfigurationError, match=said):
            resume(estate.fleet, "acme")
        with Journal.opened(estate.fleet) as journal:
            journal.end()
    assert rows(estate, SHARED, ACME) == before


def test_the_command_moves_and_says_how_long_it_stopped(estate: Estate) -> None:
    said, errors = estate.command("move", "acme", TARGET, "--schema")
    assert errors == ""
    assert said.startswith(
        "acme: 6 rows moved from the shared tables to the schema 'acme'; stopped"
    )
    assert "say one of these" in estate.command("move", "acme", TARGET, status=2)[1]
