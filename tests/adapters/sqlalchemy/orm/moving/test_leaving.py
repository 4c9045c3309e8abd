"""Objects of another scope leave the session: they change nothing, and say why."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import (
    Session,
    make_transient,
    raiseload,
)
from sqlalchemy.orm.attributes import flag_modified

from tenantshield_mw import (
    CrossTenantAccessError,
    ScopeMismatchError,
    system_scope,
    tenant_scope,
)
from tests.databases import Database

from .models import Line, Order, User, names

# -- what has left the session -----------------------------------------------------------------


CHANGES: dict[str, Callable[[User], Any]] = {
    "set": lambda user: setattr(user, "name", "lost"),
    "delete": lambda user: delattr(user, "name"),
    "append": lambda user: user.orders.append(Order(id=13)),
    "remove": lambda user: user.orders.clear(),
    "relate": lambda user: setattr(user, "plan", None),
    "flag": lambda user: flag_modified(user, "name"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_to_an_object_that_has_left_raises(
    here: Database, engine: Engine, change: str
) -> None:
    with Session(engine) as session:
        with tenant_scope("a"):
            user = session.get_one(User, 1)
            assert user.orders
            assert user.plan is not None
        with tenant_scope("b"):
            assert session.get(User, 2) is not None
            assert user not in session
            with pytest.raises(ScopeMismatchError, match=r"load (it|the object) again"):
                CHANGES[change](user)
            session.rollback()
        # What it has loaded can still be read.
        assert (user.name, [order.id for order in user.orders]) == ("ann", [11])
    assert names(here) == ["ann", "bob"]


def test_it_says_why_it_loads_no_more(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("a"):
            user = session.get_one(User, 1)
        with tenant_scope("b"):
            session.get(User, 2)
            with pytest.raises(ScopeMismatchError, match="load it again in the scope"):
                _ = user.orders


def test_it_may_come_back_in_its_own_scope(here: Database, engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("a"):
            user = session.get_one(User, 1)
        with tenant_scope("b"):
            session.get(User, 2)
            with pytest.raises(CrossTenantAccessError):
                session.add(user)
        with tenant_scope("a"):
            session.add(user)
            user.name = "changed"
            session.commit()
    assert names(here) == ["changed", "bob"]


def test_it_may_become_a_new_object(here: Database, engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("a"):
            plan_of, user = 1, session.get_one(User, 1)
        with tenant_scope("b"):
            session.get(User, 2)
            make_transient(user)
            user.id, user.tenant_id, user.plan_id = 3, "b", plan_of
            session.add(user)
            session.commit()
    assert here.read("SELECT tenant_id, name FROM move_user WHERE id = 3") == [("b", "ann")]


def test_a_tied_object_of_a_system_scope_leaves(engine: Engine) -> None:
    with Session(engine) as session:
        with system_scope("look"):
            lines = session.scalars(select(Line).order_by(Line.id)).all()
        with tenant_scope("a"):
            session.get(User, 1)
            for line in lines:
                with pytest.raises(ScopeMismatchError):
                    line.text = "lost"
            assert session.get(Line, 112) is None


def test_a_tied_object_goes_where_its_parent_goes(here: Database, engine: Engine) -> None:
    with Session(engine) as session:
        with system_scope("look"):
            orders = session.scalars(select(Order)).all()
            own, other = session.scalars(select(Line).order_by(Line.id)).all()
        with tenant_scope("a"):
            own.text = "changed"
            session.commit()
            with pytest.raises(ScopeMismatchError):
                other.text = "lost"
            assert len(orders) == 2
    assert here.read("SELECT text FROM move_line ORDER BY id") == [("changed",), ("lb",)]


@pytest.mark.parametrize("order_id", [11, 12])
def test_a_tied_object_whose_parent_was_changed_does_not_stay(
    here: Database, engine: Engine, order_id: int
) -> None:
    with Session(engine) as session:
        with system_scope("look"):
            orders = session.scalars(select(Order)).all()
            line = session.get_one(Line, 112)
        with tenant_scope("a"):
            line.order_id = order_id
            line.text = "lost"
            with pytest.raises(ScopeMismatchError):
                session.commit()
            assert len(orders) == 2
    assert here.read("SELECT order_id, text FROM move_line ORDER BY id") == [(11, "la"), (12, "lb")]


def test_a_tied_object_stays_through_a_system_scope(here: Database, engine: Engine) -> None:
    with Session(engine) as session, tenant_scope("a"):
        line = session.get_one(Line, 111)
        with system_scope("look"):
            session.scalar(select(func.count(User.id)))
        line.text = "changed"
        session.commit()
    assert here.read("SELECT text FROM move_line ORDER BY id") == [("changed",), ("lb",)]


def test_a_tied_object_of_another_tenant_leaves_after_a_system_scope(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("b"):
            line = session.get_one(Line, 112)
        with system_scope("look"):
            session.scalar(select(func.count(User.id)))
            assert line in session
        with tenant_scope("a"):
            session.get(User, 1)
            assert line not in session
            assert session.get(Line, 112) is None


def test_a_tied_object_that_went_to_another_tenant_leaves(engine: Engine) -> None:
    with Session(engine) as session, tenant_scope("a"):
        with system_scope("move it"):
            line = session.get_one(Line, 111)
            line.order_id = 12
            session.flush()
        session.get(User, 1)
        assert line not in session
        assert session.get(Line, 111) is None


ENTER: dict[str, Callable[[Session, Line], Any]] = {
    "add": lambda session, line: session.add(line),
    "unpickled": lambda session, line: session.add(pickle.loads(pickle.dumps(line))),
    "merge": lambda session, line: session.merge(line),
}


@pytest.mark.parametrize("enter", ENTER)
def test_a_tied_object_from_a_cache_is_read_again(engine: Engine, enter: str) -> None:
    with tenant_scope("b"), Session(engine) as session:
        line, again = session.get_one(Line, 112), pickle.loads(pickle.dumps(session.get(Line, 112)))
        session.expunge_all()
    with tenant_scope("a"), Session(engine, autoflush=False) as session:
        ENTER[enter](session, line)
        assert enter == "merge" or session.get(Line, 112) is None
    with tenant_scope("b"), Session(engine) as session:
        ENTER[enter](session, again)
        assert session.get_one(Line, 112).text == "lb"


@pytest.mark.parametrize("pickled", [False, True])
def test_a_tied_object_that_is_read_again_keeps_what_its_querys_options_say(
    engine: Engine, *, pickled: bool
) -> None:
    with tenant_scope("a"), Session(engine) as session:
        line = session.scalars(select(Line).options(raiseload(Line.order))).one()
    with tenant_scope("a"), Session(engine) as session:
        line = pickle.loads(pickle.dumps(line)) if pickled else line
        session.add(line)
        assert line.text == "la"
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            line.order  # noqa: B018


def test_an_own_tied_object_is_changed_elsewhere_and_added(here: Database, engine: Engine) -> None:
    with tenant_scope("a"), Session(engine) as session:
        line = session.get_one(Line, 111)
    line.text = "changed"
    with tenant_scope("a"), Session(engine) as session:
        session.add(line)
        session.commit()
    line.text = "lost"
    with tenant_scope("b"), Session(engine) as session:
        session.add(line)
        with pytest.raises(Exception, match=r"matched|not present"):
            session.commit()
    assert here.read("SELECT text FROM move_line ORDER BY id") == [("changed",), ("lb",)]


def test_a_tied_object_is_not_merged_without_loading(engine: Engine) -> None:
    with tenant_scope("b"), Session(engine) as session:
        line = session.get_one(Line, 112)
    with (
        tenant_scope("a"),
        Session(engine) as session,
        pytest.raises(CrossTenantAccessError, match="load=True"),
    ):
        session.merge(line, load=False)


def test_what_was_added_before_any_scope_does_not_answer(engine: Engine) -> None:
    with tenant_scope("b"), Session(engine) as session:
        user, line = session.get_one(User, 2), session.get_one(Line, 112)
        session.expunge_all()
    with Session(engine) as session:
        session.add_all([user, line])
        with tenant_scope("a"):
            assert session.get(User, 2) is None
            assert session.get(Line, 112) is None
