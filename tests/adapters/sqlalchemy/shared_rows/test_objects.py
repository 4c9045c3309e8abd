"""Objects of shared rows: they stay in a session, and a tenant flushes no change to one.

More such changes are among the attacks of ``tests/leaks/paths/shared_rows.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, undefer

from tenantshield_mw import (
    CrossTenantAccessError,
    ScopeMismatchError,
    system_scope,
    tenant_scope,
)
from tests.databases import Database

from .models import TABLES, Chat, Provider, Template


def contents(here: Database) -> list[list[tuple[Any, ...]]]:
    return [here.read(f"SELECT * FROM {name} ORDER BY 1, 2") for name in TABLES]


def changed(session: Session, model: Any) -> None:
    session.get_one(model, 1).name = "new"


def changed_after_expiry(session: Session, model: Any) -> None:
    found = session.get_one(model, 1)
    session.commit()
    found.name = "new"


def taken_over(session: Session, model: Any) -> None:
    session.get_one(model, 1, options=[undefer("*")]).tenant_id = "acme"


@pytest.mark.parametrize("model", [Provider, Template])
@pytest.mark.parametrize("act", [changed_after_expiry, taken_over])
def test_a_flush_writes_no_shared_row(
    engine: Engine, here: Database, act: Callable[[Session, Any], None], model: Any
) -> None:
    before = contents(here)
    with tenant_scope("acme"), Session(engine) as session:
        act(session, model)
        with pytest.raises(CrossTenantAccessError, match=r"every tenant reads|changed|is missing"):
            session.commit()
        session.rollback()
    assert contents(here) == before


def test_a_clear_error_names_the_way_out(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        changed(session, Provider)
        with pytest.raises(
            CrossTenantAccessError, match=r'every tenant reads.*system_scope\("why"'
        ):
            session.flush()


def test_a_new_object_without_a_tenant_is_the_tenants_own(engine: Engine, here: Database) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.add_all([Provider(id=9, name="new", tenant_id=None), Template(id=9, name="new")])
        session.commit()
        session.bulk_insert_mappings(
            Provider.__mapper__, [{"id": 10, "name": "new", "tenant_id": None}]
        )
        session.commit()
    assert here.read("SELECT tenant_id FROM sr_provider WHERE id > 8") == [("acme",)] * 2
    assert here.read("SELECT tenant_id FROM sr_template WHERE id > 8") == [("acme",)]


def test_an_object_refers_to_a_shared_one(engine: Engine, here: Database) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        shared = session.get_one(Provider, 1)
        shared.chats.append(Chat(id=9, name="new"))
        session.commit()
        assert session.get_one(Chat, 9).provider is shared
    assert here.read("SELECT tenant_id, provider_id FROM sr_chat WHERE id = 9") == [("acme", 1)]


# -- a session that goes on in another scope -------------------------------------


@pytest.mark.parametrize("model", [Provider, Template])
def test_shared_objects_stay_and_others_leave(engine: Engine, model: Any) -> None:
    with Session(engine) as session:
        with system_scope("all"):
            objects = session.scalars(select(model).options(undefer("*")).order_by(model.id)).all()
        for tenant, stays in (("acme", [True, True, False]), ("globex", [True, False, False])):
            with tenant_scope(tenant):
                session.get(model, 1)
                assert [each in session for each in objects] == stays
        with tenant_scope("globex"):
            assert session.get(model, 1) is objects[0]


def test_what_a_shared_object_refers_to_is_loaded_again(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("acme"):
            shared = session.get_one(Provider, 1)
            assert [each.name for each in shared.chats] == ["acme"]
        with tenant_scope("globex"):
            session.get(Provider, 1)
            assert [each.name for each in shared.chats] == ["glo"]
        with system_scope("all"):
            session.get(Provider, 1)
            assert [each.name for each in shared.chats] == ["acme", "glo"]
        with tenant_scope("acme"):
            session.get(Provider, 1)
            assert [each.name for each in shared.chats] == ["acme"]


def test_a_change_of_a_system_scope_is_not_flushed_by_a_tenant(
    engine: Engine, here: Database
) -> None:
    before = contents(here)
    with Session(engine, autoflush=False) as session:
        with system_scope("edit"):
            session.get_one(Provider, 1).name = "new"
        with tenant_scope("acme"), pytest.raises(ScopeMismatchError):
            session.get(Chat, 2)
        assert contents(here) == before
        with system_scope("edit"):
            session.commit()
    assert here.read("SELECT name FROM sr_provider WHERE id = 1") == [("new",)]


def test_a_change_of_a_tenant_is_refused_in_the_next_scope_too(
    engine: Engine, here: Database
) -> None:
    before = contents(here)
    for scope in (tenant_scope("globex"), system_scope("all")):
        with Session(engine) as session:
            with tenant_scope("acme"):
                session.get_one(Provider, 1).name = "new"
            with scope, pytest.raises((ScopeMismatchError, CrossTenantAccessError)):
                session.execute(select(Chat))
    assert contents(here) == before


@pytest.mark.parametrize("model", [Provider, Template])
def test_a_shared_object_enters_another_session(engine: Engine, model: Any) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        shared = session.get_one(model, 1, options=[undefer("*")])
    with tenant_scope("globex"), Session(engine) as session:
        session.add(shared)
        assert session.merge(shared, load=False) is shared
        assert session.get(model, 1) is shared
