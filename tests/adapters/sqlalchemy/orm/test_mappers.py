"""The attribute that holds the tenant, also of a type that converts it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from tenantshield_mw import CrossTenantAccessError, tenant_scope

from ..watching import engine_on_each, rows
from .teams import LEFT, ONE, TWO, Member, Tag, members, seed

engine = engine_on_each(seed)


# -- the tenant's own value ------------------------------------------------------------


@pytest.mark.parametrize("how", ["deferred", "expired", "expired attribute", "loaded"])
def test_the_tenant_attribute_may_be_set_to_the_value_that_it_has(engine: Engine, how: str) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        member = session.scalars(select(Member)).one()
        if how == "expired":
            session.expire(member)
        elif how == "expired attribute":
            session.expire(member, ["tenant_id"])
        elif how == "loaded":
            assert member.tenant_id == "acme"
        member.tenant_id = "acme"
        member.team_id = None
        session.commit()
    assert members(engine) == LEFT


@pytest.mark.parametrize("how", ["deferred", "expired", "loaded"])
@pytest.mark.parametrize("value", ["globex", None])
def test_the_tenant_attribute_takes_no_other_value(engine: Engine, how: str, value: Any) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        member = session.scalars(select(Member)).one()
        if how == "expired":
            session.expire(member)
        elif how == "loaded":
            assert member.tenant_id == "acme"
        member.tenant_id = value
        with pytest.raises(CrossTenantAccessError):
            session.commit()
    assert members(engine) == [("acme", 1), ("globex", 1)]


# -- a type that converts the tenant ---------------------------------------------------


def test_rows_of_a_tenant_in_a_converting_type_are_read_and_changed(engine: Engine) -> None:
    with tenant_scope(str(ONE)), Session(engine) as session:
        tag = session.scalars(select(Tag)).one()
        assert tag.tenant_id == ONE
        tag.name = "new"
        session.commit()
        session.add(Tag(id=3, name="c"))
        session.add(Tag(id=4, name="d", tenant_id=ONE))
        session.commit()
        session.delete(session.get_one(Tag, 3))
        session.commit()
    assert rows(engine, "SELECT id, name FROM objects_tag ORDER BY id") == [
        (1, "new"),
        (2, "b"),
        (4, "d"),
    ]


def test_a_detached_object_of_a_converting_type_comes_back(engine: Engine) -> None:
    with tenant_scope(str(ONE)):
        with Session(engine) as session:
            tag = session.scalars(select(Tag)).one()
        with Session(engine) as session:
            session.scalars(select(Tag)).all()
            session.expunge_all()
            session.add(tag)
            tag.name = "new"
            tag.tenant_id = ONE
            session.commit()
    assert ("new",) in rows(engine, "SELECT name FROM objects_tag")


@pytest.mark.parametrize("value", [TWO, str(TWO), TWO.hex])
def test_another_tenant_in_a_converting_type_is_refused(engine: Engine, value: Any) -> None:
    with tenant_scope(str(ONE)), Session(engine) as session:
        session.add(Tag(id=5, name="x", tenant_id=value))
        with pytest.raises(CrossTenantAccessError):
            session.flush()
        session.rollback()
        session.scalars(select(Tag)).one().tenant_id = value
        with pytest.raises(CrossTenantAccessError):
            session.flush()
    assert len(rows(engine, "SELECT id FROM objects_tag")) == 2
