"""A session checks the scope before it answers, also from memory."""

from __future__ import annotations

from contextlib import suppress

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import DetachedInstanceError, ObjectDeletedError

from tenantshield_mw import TenantContext, TenantShieldError, tenant_scope

from ..watching import sent
from .owners import Owner, Pet, names

# -- memory never answers another tenant -----------------------------------------


def test_get_does_not_answer_with_the_first_tenants_object(session: Session) -> None:
    with tenant_scope("acme"):
        held = session.get(Owner, 1)
        assert held is not None
    with tenant_scope("globex"):
        assert session.get(Owner, 1) is None
        assert session.get(Owner, 2) is not None
        with pytest.raises(InvalidRequestError):
            session.get_one(Owner, 1)


def test_get_does_not_answer_with_what_the_first_tenants_query_has_loaded(
    session: Session,
) -> None:
    with tenant_scope("acme"):
        held = session.scalars(select(Owner)).all()
        assert [each.id for each in held] == [1]
    with tenant_scope("globex"):
        assert session.get(Owner, 1) is None


def test_get_works_as_ever_within_one_tenant(session: Session, engine: Engine) -> None:
    with tenant_scope("acme"):
        held = session.get(Owner, 1)
    with tenant_scope("acme"), sent(engine) as statements:
        assert session.get(Owner, 1) is held
    assert statements == []


def test_an_equal_tenant_is_the_same_tenant(session: Session) -> None:
    with tenant_scope(TenantContext("acme", {"plan": "gold"})):
        held = session.get(Owner, 1)
    with tenant_scope(TenantContext("acme")):
        assert session.get(Owner, 1) is held


@pytest.mark.filterwarnings("ignore:The Query.get:DeprecationWarning")
def test_the_legacy_query_get_does_not_answer_with_the_first_tenants_object(
    session: Session,
) -> None:
    with tenant_scope("acme"):
        held = session.query(Owner).get(1)
        assert held is not None
    with tenant_scope("globex"):
        assert session.query(Owner).get(1) is None


def test_a_query_with_identical_rows_is_not_answered_from_memory(session: Session) -> None:
    with tenant_scope("acme"):
        held = session.scalars(select(Owner)).all()
        assert [each.id for each in held] == [1]
    with tenant_scope("globex"):
        assert [each.id for each in session.scalars(select(Owner)).all()] == [2]


def test_a_many_to_one_does_not_answer_with_the_first_tenants_object(session: Session) -> None:
    with tenant_scope("acme"):
        pet = session.get(Pet, 11)
        owner = session.get(Owner, 1)
        assert pet is not None
        assert owner is not None
    with tenant_scope("globex"), suppress(TenantShieldError, DetachedInstanceError):
        assert pet.owner is None
    with tenant_scope("acme"):
        again = session.get(Pet, 11)
        assert again is not None
        assert again.owner is not None
        assert again.owner.id == 1


def test_an_unloaded_relationship_is_not_answered_wrongly_in_another_scope(
    session: Session,
) -> None:
    with tenant_scope("acme"):
        pet = session.get(Pet, 11)
        assert pet is not None
    # It does have an owner; a None would be kept as the answer.
    with tenant_scope("globex"), pytest.raises((TenantShieldError, DetachedInstanceError)):
        _ = pet.owner


def test_a_collection_is_not_loaded_in_another_tenants_scope(session: Session) -> None:
    with tenant_scope("acme"):
        owner = session.get(Owner, 1)
        assert owner is not None
    with tenant_scope("globex"), pytest.raises((TenantShieldError, DetachedInstanceError)):
        _ = owner.pets


def test_an_expired_object_is_not_refreshed_in_another_tenants_scope(session: Session) -> None:
    with tenant_scope("acme"):
        owner = session.get(Owner, 1)
        assert owner is not None
        session.commit()
    with (
        tenant_scope("globex"),
        pytest.raises((TenantShieldError, DetachedInstanceError, ObjectDeletedError)),
    ):
        _ = owner.name


def test_refresh_does_not_reach_over(session: Session) -> None:
    with tenant_scope("acme"):
        owner = session.get(Owner, 1)
        assert owner is not None
    with tenant_scope("globex"), pytest.raises((TenantShieldError, InvalidRequestError)):
        session.refresh(owner)


def test_merge_does_not_take_the_first_tenants_object(session: Session, engine: Engine) -> None:
    with tenant_scope("acme"):
        held = session.get(Owner, 1)
        assert held is not None
    with tenant_scope("globex"):
        merged = session.merge(Owner(id=1, name="stolen"))
        assert merged is not held
        with pytest.raises(Exception, match=r"(?i)unique|duplicate|tenant"):
            session.flush()
        session.rollback()
    assert names(engine) == ["ours", "theirs"]
