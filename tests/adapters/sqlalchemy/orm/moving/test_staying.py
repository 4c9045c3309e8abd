"""What stays in the session's memory answers with the new scope's rows alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import (
    Session,
    aliased,
)

from tenantshield_mw import (
    MissingTenantContextError,
    system_scope,
    tenant_scope,
)
from tests.databases import Database

from .models import Company, Line, Note, Ordering, Plan, User, names

# -- what stays in memory ----------------------------------------------------------------------


def test_a_shared_object_forgets_tenants_rows(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("a"):
            plan = session.get_one(Plan, 1)
            assert [user.name for user in plan.users] == ["ann"]
            assert plan.number == 1  # type: ignore[attr-defined]
        with system_scope("look"):
            session.get(User, 2)
            assert sorted(user.name for user in plan.users) == ["ann", "bob"]
            assert plan.number == 2  # type: ignore[attr-defined]
        with tenant_scope("b"):
            session.get(User, 2)
            assert session.get(Plan, 1) is plan
            assert [user.name for user in plan.users] == ["bob"]
            assert plan.number == 1  # type: ignore[attr-defined]


STRANGE: dict[str, Callable[[Any], Any]] = {
    "from_statement": lambda rows: select(Company).from_statement(rows),
    "adapt_on_names": lambda rows: select(aliased(Company, rows.subquery(), adapt_on_names=True)),
}


@pytest.mark.parametrize("how", STRANGE)
def test_a_shared_object_forgets_what_was_computed_from_tenants_rows(
    engine: Engine, how: str
) -> None:
    own = select(Company.id, User.name.label("name")).join(User, User.tenant_id == Company.id)
    with Session(engine) as session:
        with tenant_scope("a"):
            company = session.scalars(STRANGE[how](own)).one()
            assert company.name == "ann"
        with tenant_scope("b"):
            session.get(User, 2)
            assert session.get_one(Company, "a") is company
            assert company.name == "A"


def test_a_class_mapped_to_a_join_is_not_answered_without_a_scope(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("b"):
            assert session.get_one(Ordering, (2, 12)).number == 12
        with pytest.raises(MissingTenantContextError, match="Ordering"):
            session.get(Ordering, (2, 12))
        with tenant_scope("a"):
            assert session.get(Ordering, (2, 12)) is None


def test_a_change_to_a_shared_object_is_written_in_any_scope(
    here: Database, engine: Engine
) -> None:
    with Session(engine) as session:
        with tenant_scope("a"):
            plan = session.get_one(Plan, 1)
            plan.name = "one"
        with tenant_scope("b"):
            session.get(User, 2)
            plan.name += " two"
            session.commit()
    assert here.read("SELECT name FROM move_plan") == [("one two",)]


def test_an_expired_object_is_read_in_the_new_scope_or_not_found(
    here: Database, engine: Engine
) -> None:
    with Session(engine) as session:
        with system_scope("login"):
            ann, bob = session.get_one(User, 1), session.get_one(User, 2)
            session.commit()
        with tenant_scope("a"):
            assert ann.name == "ann"
            with pytest.raises(Exception, match=r"has been deleted|not present"):
                _ = bob.name
            ann.name = "changed"
            session.commit()
    assert names(here) == ["changed", "bob"]


@pytest.mark.parametrize("forget", ["commit", "expire", "rollback"])
@pytest.mark.parametrize("model", [User, Line])
def test_an_expired_object_is_changed_after_another_scope(
    here: Database, engine: Engine, model: Any, forget: str
) -> None:
    number, attribute = (1, "name") if model is User else (111, "text")
    with Session(engine) as session:
        with tenant_scope("a"):
            held = session.get_one(model, number)
            if forget == "expire":
                session.expire(held)
            else:
                getattr(session, forget)()
        with tenant_scope("b"):
            assert session.get(User, 2) is not None
        with tenant_scope("a"):
            setattr(held, attribute, "changed")
            session.commit()
    assert (here.read(f"SELECT {attribute} FROM {model.__tablename__} WHERE id = {number}")) == [
        ("changed",)
    ]


def test_an_expired_object_of_another_tenant_is_not_changed(here: Database, engine: Engine) -> None:
    with Session(engine) as session:
        with system_scope("login"):
            bob = session.get_one(User, 2)
            session.commit()
        with tenant_scope("a"):
            session.get(User, 1)
            bob.name = "lost"
            with pytest.raises(Exception, match=r"matched|not present|tenant"):
                session.commit()
    assert names(here) == ["ann", "bob"]


# SQLAlchemy itself only warns.
@pytest.mark.filterwarnings("ignore:DELETE statement on table")
def test_an_expired_object_of_another_tenant_is_not_deleted(here: Database, engine: Engine) -> None:
    with Session(engine) as session:
        with system_scope("login"):
            note = session.get_one(Note, 22)
            session.commit()
        with tenant_scope("a"):
            session.get(User, 1)
            session.delete(note)
            with pytest.raises(InvalidRequestError, match="Could not refresh"):
                session.commit()
    assert here.read("SELECT id FROM move_note ORDER BY id") == [(21,), (22,)]


def test_after_the_scope_what_is_loaded_can_be_read_and_nothing_is_lost(
    here: Database, engine: Engine
) -> None:
    with Session(engine) as session:
        with tenant_scope("a"):
            user = session.get_one(User, 1)
        assert user.name == "ann"
        with pytest.raises(MissingTenantContextError):
            _ = user.orders
        user.name = "changed"
        with pytest.raises(MissingTenantContextError):
            session.commit()
        with tenant_scope("a"):
            user.name = "again"
            session.commit()
    assert names(here) == ["again", "bob"]
