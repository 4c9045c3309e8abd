"""A session serves one tenant at a time, and never answers another from memory."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, make_transient_to_detached, merge_frozen_result, object_session

from tenantshield_mw import (
    CrossTenantAccessError,
    MissingTenantContextError,
    TenantShieldError,
    system_scope,
    tenant_scope,
)

from ..watching import rows, sent
from .owners import Breed, Owner, Pet, names


def test_the_first_tenants_objects_are_no_longer_in_the_session(session: Session) -> None:
    with tenant_scope("acme"):
        held = session.get(Owner, 1)
        assert held is not None
    with tenant_scope("globex"):
        kept = session.get(Owner, 2)
        assert kept is not None
        assert held not in session
        assert object_session(held) is None
        assert [key[1] for key in session.identity_map.keys()] == [(2,)]  # noqa: SIM118
    assert held.name == "ours"


@pytest.mark.parametrize("back", ["acme", "globex"])
def test_going_back_and_forth_never_mixes(session: Session, back: str) -> None:
    for tenant in ("acme", "globex", "acme", back, "globex"):
        with tenant_scope(tenant):
            found = {each.tenant_id for each in session.scalars(select(Pet))}
            assert found == {tenant}
            assert session.get(Pet, 12 if tenant == "acme" else 11) is None


def test_nested_scopes_are_told_apart(session: Session) -> None:
    with tenant_scope("acme"):
        assert session.get(Owner, 1) is not None
        with tenant_scope("globex"):
            assert session.get(Owner, 1) is None
            assert session.get(Owner, 2) is not None
        assert session.get(Owner, 2) is None
        assert session.get(Owner, 1) is not None


def test_the_system_scopes_objects_do_not_answer_a_tenant(session: Session) -> None:
    with system_scope("look at both"):
        assert session.get(Owner, 1) is not None
        held = session.get(Owner, 2)
        assert held is not None
    with tenant_scope("acme"):
        assert session.get(Owner, 2) is None
    with system_scope("look again"):
        assert session.get(Owner, 2) is not None


def test_without_a_scope_memory_does_not_answer(session: Session) -> None:
    with tenant_scope("acme"):
        held = session.get(Owner, 1)
        pet = session.get(Pet, 11)
        assert held is not None
        assert pet is not None
    with pytest.raises(MissingTenantContextError, match="sess_owner"):
        session.get(Owner, 1)
    with pytest.raises(MissingTenantContextError):
        _ = pet.owner
    with pytest.raises(MissingTenantContextError):
        session.merge(Owner(id=1))
    with pytest.raises(MissingTenantContextError):
        session.refresh(held)


def test_without_a_scope_shared_objects_answer_as_ever(session: Session) -> None:
    with tenant_scope("acme"):
        held = session.get(Breed, 1)
        assert held is not None
    assert session.get(Breed, 1) is held
    assert session.scalars(select(Breed)).one() is held


def test_a_session_that_was_used_without_a_scope_may_serve_a_tenant(session: Session) -> None:
    assert session.get(Breed, 1) is not None
    session.add(Breed(id=2))
    with tenant_scope("acme"):
        assert session.get(Owner, 1) is not None
        session.commit()
    assert session.get(Breed, 2) is not None


# -- transactions ----------------------------------------------------------------


@pytest.mark.parametrize("end", ["commit", "rollback", "close", "expunge_all", "reset"])
def test_a_session_serves_another_tenant_after_its_transaction(
    session: Session, engine: Engine, end: str
) -> None:
    with tenant_scope("acme"):
        session.add(Owner(id=5, name="new"))
        session.flush()
        getattr(session, end)()
    with tenant_scope("globex"):
        assert [each.id for each in session.scalars(select(Owner))] == [2]
        assert session.get(Owner, 1) is None
        session.get_one(Owner, 2).name = "changed"
        session.commit()
    assert "changed" in names(engine)
    assert ("new" in names(engine)) == (end in ("commit", "expunge_all"))


def test_savepoints_commit_and_roll_back_as_ever(any_engine: Engine) -> None:
    with tenant_scope("acme"), Session(any_engine) as session:
        with session.begin_nested():
            session.add(Owner(id=5, name="kept"))
        nested = session.begin_nested()
        session.add(Owner(id=6, name="lost"))
        session.flush()
        nested.rollback()
        assert session.get(Owner, 5) is not None
        assert session.get(Owner, 6) is None
        assert session.get(Owner, 2) is None
        session.commit()
    assert names(any_engine) == ["ours", "theirs", "kept"]


def test_another_tenants_scope_within_a_savepoint_starts_empty_or_raises(
    session: Session, engine: Engine
) -> None:
    with tenant_scope("acme"):
        session.get_one(Owner, 1).name = "changed"
        with session.begin_nested(), tenant_scope("globex"):
            # The savepoint has flushed what was pending.
            assert session.get(Owner, 1) is None
            assert session.get(Owner, 2) is not None
        session.commit()
    assert names(engine) == ["changed", "theirs"]


def test_objects_are_refreshed_after_a_commit_in_the_same_scope(session: Session) -> None:
    with tenant_scope("acme"):
        owner = session.get_one(Owner, 1)
        session.commit()
        assert owner.name == "ours"
        session.expire(owner)
        assert owner.pets[0].name == "rex"


def test_objects_of_a_rolled_back_flush_do_not_answer_another_tenant(session: Session) -> None:
    with tenant_scope("acme"):
        session.add(Owner(id=9))
        session.flush()
        session.rollback()
    with tenant_scope("globex"):
        session.add(Owner(id=9, name="globex's own"))
        session.commit()
    with tenant_scope("acme"):
        assert session.get(Owner, 9) is None


# -- objects added by hand -------------------------------------------------------


def test_a_new_object_gets_the_tenant_before_anything_is_sent(
    session: Session, engine: Engine
) -> None:
    with tenant_scope("acme"):
        owner = Owner(id=5)
        session.add(owner)
        session.flush()
        assert owner.tenant_id == "acme"
        session.commit()
    assert rows(engine, "SELECT tenant_id FROM sess_owner WHERE id = 5") == [("acme",)]


@pytest.mark.parametrize("given", ["globex", "", "ACME"])
def test_a_new_object_of_another_tenant_is_refused_before_anything_is_sent(
    session: Session, engine: Engine, given: str
) -> None:
    with tenant_scope("acme"):
        session.add(Owner(id=5, tenant_id=given))
        with sent(engine) as statements, pytest.raises(CrossTenantAccessError, match="sess_owner"):
            session.flush()
    assert statements == []


def test_an_object_whose_tenant_was_changed_is_refused(session: Session, engine: Engine) -> None:
    with tenant_scope("acme"):
        session.get_one(Owner, 1).tenant_id = "globex"
        with pytest.raises(CrossTenantAccessError, match="never changes tenant"):
            session.commit()
    assert rows(engine, "SELECT tenant_id FROM sess_owner WHERE id = 1") == [("acme",)]


def theirs(engine: Engine) -> Owner:
    with tenant_scope("globex"), Session(engine) as other:
        return other.get_one(Owner, 2)


@pytest.mark.parametrize("act", ["change", "delete", "cascade"])
def test_another_tenants_detached_object_changes_nothing(
    session: Session, engine: Engine, act: str
) -> None:
    foreign = theirs(engine)
    with tenant_scope("acme"):
        with pytest.raises((TenantShieldError, Exception)):  # noqa: PT012
            if act == "delete":
                session.delete(foreign)
            else:
                session.add(foreign)
                foreign.name = "stolen"
                foreign.pets.append(Pet(id=20)) if act == "cascade" else None
            session.commit()
        session.rollback()
    assert names(engine) == ["ours", "theirs"]
    assert rows(engine, "SELECT id FROM sess_pet WHERE id = 20") == []


def test_another_tenants_detached_object_does_not_answer_get(
    session: Session, engine: Engine
) -> None:
    foreign = theirs(engine)
    with tenant_scope("acme"):
        try:
            session.add(foreign)
        except CrossTenantAccessError:
            session.rollback()
        assert session.get(Owner, 2) is None


@pytest.mark.parametrize("spoofed", [None, "acme", "globex"])
@pytest.mark.parametrize("act", ["change", "delete"])
def test_an_object_made_detached_by_hand_changes_nothing_of_another_tenants(
    session: Session, engine: Engine, spoofed: str | None, act: str
) -> None:
    made = Owner(id=2) if spoofed is None else Owner(id=2, tenant_id=spoofed)
    make_transient_to_detached(made)
    with tenant_scope("acme"):
        with pytest.raises(Exception):  # noqa: B017, PT011, PT012
            if act == "delete":
                session.delete(made)
            else:
                session.add(made)
                made.name = "stolen"
            session.commit()
        session.rollback()
    assert names(engine) == ["ours", "theirs"]


def test_an_own_detached_object_may_come_back(session: Session, engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as other:
        own = other.get_one(Owner, 1)
    with tenant_scope("acme"):
        session.add(own)
        own.name = "changed"
        session.commit()
        assert session.get(Owner, 1) is own
    assert names(engine) == ["changed", "theirs"]


def test_add_to_a_session_that_served_another_tenant_starts_empty(session: Session) -> None:
    with tenant_scope("acme"):
        held = session.get(Owner, 1)
        assert held is not None
    with tenant_scope("globex"):
        session.add(Owner(id=8))
        assert held not in session
        session.commit()
        assert session.get_one(Owner, 8).tenant_id == "globex"


@pytest.mark.parametrize("scoped", [True, False])
def test_another_tenants_object_is_not_added_whether_or_not_a_scope_is_bound(
    session: Session, engine: Engine, scoped: bool
) -> None:
    kept = theirs(engine)
    with tenant_scope("acme"):
        session.get_one(Owner, 1)
    with tenant_scope("acme") if scoped else nullcontext(), pytest.raises(CrossTenantAccessError):
        session.add(kept)
    assert kept not in session


def test_merge_without_loading_does_not_take_another_tenants_object(
    session: Session, engine: Engine
) -> None:
    kept = theirs(engine)
    with tenant_scope("acme"):
        with pytest.raises(CrossTenantAccessError, match="sess_owner"):
            session.merge(kept, load=False)
        assert session.get(Owner, 2) is None


def test_a_frozen_result_of_another_tenants_is_not_merged(session: Session, engine: Engine) -> None:
    with tenant_scope("globex"), Session(engine) as other:
        frozen = other.execute(select(Owner)).freeze()
    with tenant_scope("acme"):
        merge: Any = merge_frozen_result
        with pytest.raises(CrossTenantAccessError, match="sess_owner"):
            merge(session, select(Owner), frozen, load=False)
        assert session.get(Owner, 2) is None
