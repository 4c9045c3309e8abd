"""Values that Python takes for equal, and that a database may store as two keys."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any

import pytest
from sqlalchemy import DateTime, Enum, String, insert
from sqlalchemy.orm import Session, registry

from tenantshield_mw import CrossTenantAccessError, tenant_scope
from tests.databases import NAMES, DatabaseName, database, require

from .keyed import accepted, made, refused, tables

NOON = dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC)
LATER = NOON.astimezone(dt.timezone(dt.timedelta(hours=2)))


@pytest.mark.parametrize("where", ["sqlite", "mariadb"])
def test_times_of_different_zones_are_looked_up_each(where: DatabaseName) -> None:
    require(where)
    parent, child = tables(DateTime(), DateTime())
    mapped = type("Mapped", (), {})
    mapping = registry()
    mapping.map_imperatively(mapped, child)
    zeros = ".000000" if where == "sqlite" else ""
    with database(where) as here:
        engine = made(
            here, parent, f"'2020-01-01 12:00:00{zeros}'", f"'2020-01-01 14:00:00{zeros}'"
        )
        both: list[Any] = [{"parent_id": NOON}, {"parent_id": LATER}]
        for rows in (both, both[::-1]):
            refused(engine, insert(child), rows)
            refused(engine, insert(child).values(rows))
            with tenant_scope("a"), Session(engine) as session:
                for number, row in enumerate(rows):
                    new: Any = mapped()
                    new.parent_id, new.id = row["parent_id"], number + 1 if number else None
                    session.add(new)
                with pytest.raises(CrossTenantAccessError):
                    session.flush()
        accepted(engine, insert(child), [both[0], both[0]])
        assert here.read(f"SELECT count(*) FROM {child.name}") == [(2,)]
        engine.dispose()
    mapping.dispose()


class Crossed(enum.StrEnum):
    """The values are the names of each other."""

    A = "B"
    B = "A"


class Named(enum.StrEnum):
    OURS = "ours"


@pytest.mark.parametrize("where", NAMES)
def test_a_member_of_an_enumeration_is_not_the_text_that_it_is_equal_to(
    where: DatabaseName,
) -> None:
    require(where)
    parent, child = tables(Enum(Crossed), Enum(Crossed))
    with database(where) as here:
        engine = made(here, parent, "'A'", "'B'")
        for rows in ([Crossed.A, "B"], ["B", Crossed.A]):
            refused(engine, insert(child), [{"parent_id": each} for each in rows])
        accepted(engine, insert(child), [{"parent_id": each} for each in (Crossed.A, "A")])
        engine.dispose()


@pytest.mark.parametrize("where", NAMES)
def test_a_text_and_a_member_that_is_a_text_may_be_mixed(where: DatabaseName) -> None:
    require(where)
    parent, child = tables(String(9), String(9))
    with database(where) as here:
        engine = made(here, parent, "'ours'", "'theirs'")
        accepted(engine, insert(child), [{"parent_id": each} for each in ("ours", Named.OURS)])
        assert here.read(f"SELECT parent_id FROM {child.name}") == [("ours",)] * 2
        engine.dispose()
