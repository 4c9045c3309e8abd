"""Work that was not flushed stays in the scope that it belongs to."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from tenantshield_mw import (
    MissingTenantContextError,
    ScopeMismatchError,
    system_scope,
    tenant_scope,
)

from ..watching import rows
from .owners import Breed, Owner, Pet, names

# -- pending work ----------------------------------------------------------------


def pend_new(session: Session) -> None:
    session.add(Owner(id=5, name="pending"))


def pend_change(session: Session) -> None:
    session.get_one(Owner, 1).name = "pending"


def pend_delete(session: Session) -> None:
    session.delete(session.get_one(Pet, 11))


USES: dict[str, Any] = {
    "get": lambda session: session.get(Owner, 2),
    "select": lambda session: session.execute(select(Owner)),
    "shared select": lambda session: session.execute(select(Breed)),
    "core update": lambda session: session.execute(update(Owner).values(name="hit")),
    "add": lambda session: session.add(Owner(id=6)),
    "merge": lambda session: session.merge(Owner(id=2)),
    "flush": lambda session: session.flush(),
    "commit": lambda session: session.commit(),
    "bulk": lambda session: session.bulk_insert_mappings(Owner, [{"id": 7, "name": ""}]),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("pend", [pend_new, pend_change, pend_delete])
def test_a_session_with_pending_work_refuses_another_tenant_and_drops_nothing(
    session: Session, engine: Engine, pend: Any, use: str
) -> None:
    with tenant_scope("acme"):
        pend(session)
    with tenant_scope("globex"), pytest.raises(ScopeMismatchError, match="pending work") as caught:
        USES[use](session)
    assert "one tenant's scope and is used in another tenant's scope: flush" in str(caught.value)
    with tenant_scope("acme"):
        session.commit()
    assert rows(engine, "SELECT tenant_id FROM sess_owner WHERE id = 2") == [("globex",)]
    if pend is pend_delete:
        assert rows(engine, "SELECT id FROM sess_pet WHERE id = 11") == []
    else:
        assert names(engine).count("pending") == 1
    assert rows(engine, "SELECT DISTINCT tenant_id FROM sess_owner WHERE name = 'pending'") in (
        [],
        [("acme",)],
    )


def test_pending_work_refuses_what_would_move_it_to_a_system_scope(session: Session) -> None:
    with tenant_scope("acme"):
        pend_new(session)
    with system_scope("by the way"), pytest.raises(ScopeMismatchError, match="a system scope"):
        session.add(Owner(id=6))


def test_pending_work_without_a_scope_is_kept(session: Session, engine: Engine) -> None:
    with tenant_scope("acme"):
        pend_new(session)
    with pytest.raises(MissingTenantContextError):
        session.commit()
    session.rollback()
    with tenant_scope("acme"):
        pend_new(session)
        session.commit()
    assert names(engine) == ["ours", "theirs", "pending"]


def test_work_pending_before_any_scope_belongs_to_the_one_that_flushes_it(
    session: Session, engine: Engine
) -> None:
    pend_new(session)
    with tenant_scope("acme"):
        session.commit()
    assert rows(engine, "SELECT tenant_id FROM sess_owner WHERE id = 5") == [("acme",)]


def test_pending_work_may_be_rolled_back_in_another_scope(session: Session) -> None:
    with tenant_scope("acme"):
        pend_new(session)
    with tenant_scope("globex"):
        session.rollback()
        assert session.get(Owner, 2) is not None


def test_a_forgotten_object_does_not_keep_a_session_busy(session: Session) -> None:
    with tenant_scope("acme"):
        owner = session.get_one(Owner, 1)
        owner.name = "changed"
        session.expunge(owner)
        del owner
    gc.collect()
    with tenant_scope("globex"):
        assert session.get(Owner, 2) is not None
