"""An object of a shared table keeps nothing that another scope chose or computed."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    MetaData,
    String,
    Table,
    and_,
    exists,
    func,
    select,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    contains_eager,
    foreign,
    joinedload,
    load_only,
    mapped_column,
    relationship,
    remote,
    selectinload,
    with_loader_criteria,
)

from tenantshield_mw import CrossTenantAccessError, ScopeMismatchError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.databases import NAMES, database

from ..watching import fill, rows, with_tables


class Base(DeclarativeBase):
    metadata = MetaData()


membership = tenant_aware(
    Table(
        "sho_membership",
        Base.metadata,
        Column("tenant_id", String(20), primary_key=True),
        Column("user_id", ForeignKey("sho_user.id"), primary_key=True),
        Column("role_id", ForeignKey("sho_role.id"), primary_key=True),
    )
)


@tenant_aware
class Bill(Base):
    __tablename__ = "sho_bill"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))
    total: Mapped[int]


@shared_across_tenants
class Role(Base):
    __tablename__ = "sho_role"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(20))
    owner_id: Mapped[int] = mapped_column(ForeignKey("sho_user.id"))


@shared_across_tenants
class User(Base):
    __tablename__ = "sho_user"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    largest: Mapped[int | None] = column_property(select(func.max(Bill.total)).scalar_subquery())
    roles: Mapped[list[Role]] = relationship(secondary=membership)
    owned: Mapped[list[Role]] = relationship(viewonly=True)
    special: Mapped[list[Role]] = relationship(
        viewonly=True,
        uselist=True,
        primaryjoin=lambda: and_(
            remote(foreign(Role.id)) != -User.id,
            exists()
            .where(membership.c.user_id == User.id, membership.c.role_id == remote(Role.id))
            .correlate(User, Role),
        ),
    )


ROWS = (
    "INSERT INTO sho_user (id) VALUES (1)",
    "INSERT INTO sho_role (id, name, owner_id) VALUES (10, 'of a', 1), (20, 'of b', 1)",
    "INSERT INTO sho_membership (tenant_id, user_id, role_id) VALUES ('a', 1, 10), ('b', 1, 20)",
    "INSERT INTO sho_bill (id, tenant_id, total) VALUES (1, 'a', 100), (2, 'b', 200)",
)


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with database(request.param) as here, with_tables(here, Base.metadata, *ROWS) as engine:
        yield engine


def names(roles: list[Role]) -> list[str]:
    return sorted(each.name for each in roles)


BY_MEMBERSHIP = Role.id.in_(select(membership.c.role_id))
READS: dict[str, tuple[Any, Callable[[User], list[str]]]] = {
    "secondary": (select(User), lambda u: names(u.roles)),
    "secondary, eagerly": (
        select(User).options(selectinload(User.roles)),
        lambda u: names(u.roles),
    ),
    "a condition of the relationship": (select(User), lambda u: names(u.special)),
}
CHOSEN: dict[str, Any] = {
    "and_": select(User).options(selectinload(User.owned.and_(BY_MEMBERSHIP))),
    "and_, joined": select(User).options(joinedload(User.owned.and_(BY_MEMBERSHIP))),
    "criteria": select(User).options(
        selectinload(User.owned), with_loader_criteria(Role, BY_MEMBERSHIP)
    ),
    "contains_eager": select(User)
    .join(User.owned)
    .where(BY_MEMBERSHIP)
    .options(contains_eager(User.owned)),
}


@pytest.mark.parametrize("name", READS)
def test_a_relationship_through_tenants_rows_is_loaded_again(engine: Engine, name: str) -> None:
    statement, read = READS[name]
    with Session(engine) as session:
        with tenant_scope("b"):
            assert read(session.scalars(statement).unique().one()) == ["of b"]
        with tenant_scope("a"):
            user = session.get(User, 1)
            assert user is not None
            assert read(user) == ["of a"]
        with system_scope("both"):
            user = session.get(User, 1)
            assert user is not None
            assert read(user) == ["of a", "of b"]
        with tenant_scope("b"):
            user = session.get(User, 1)
            assert user is not None
            assert read(user) == ["of b"]


@pytest.mark.parametrize("name", CHOSEN)
def test_objects_that_a_query_chose_by_tenants_rows_are_loaded_again(
    engine: Engine, name: str
) -> None:
    with Session(engine) as session:
        with tenant_scope("b"):
            user = session.scalars(CHOSEN[name]).unique().one()
            assert names(user.owned) == ["of b"]
        with tenant_scope("a"):
            again = session.get(User, 1)
            assert again is not None
            assert again is user
            assert names(again.owned) != ["of b"]


def test_what_is_set_is_compared_with_this_tenants_rows(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("b"):
            user = session.get(User, 1)
            assert user is not None
            of_b = list(user.roles)
        with tenant_scope("a"):
            session.get(User, 1)
            user.roles = of_b
            session.commit()
    found = rows(
        engine, "SELECT tenant_id, role_id FROM sho_membership ORDER BY tenant_id, role_id"
    )
    assert found == [("a", 20), ("b", 20)]


def test_a_pending_change_of_links_stays_in_its_scope(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("b"):
            user = session.get(User, 1)
            assert user is not None
            user.roles.clear()
        with tenant_scope("a"), pytest.raises(ScopeMismatchError):
            session.scalars(select(User)).all()
        with tenant_scope("b"):
            session.commit()
    assert rows(engine, "SELECT tenant_id FROM sho_membership") == [("a",)]


def test_a_pending_change_of_links_is_written_before_a_system_scope_reads(engine: Engine) -> None:
    with Session(engine) as session, tenant_scope("b"):
        user = session.get(User, 1)
        assert user is not None
        user.roles.clear()
        with system_scope("both"):
            session.scalars(select(Bill)).all()
            assert session.scalars(select(membership.c.tenant_id)).all() == ["a"]
        session.commit()


ENTERS: dict[str, Callable[[Session, User], object]] = {
    "add": lambda s, u: s.add(u),
    "merge": lambda s, u: s.merge(u),
    "merge without loading": lambda s, u: s.merge(u, load=False),
}


@pytest.mark.parametrize("name", ENTERS)
def test_a_cached_object_brings_nothing_of_another_scope(engine: Engine, name: str) -> None:
    with tenant_scope("b"), Session(engine) as session:
        user = session.scalars(select(User).options(selectinload(User.owned))).one()
        assert user.largest == 200
        cached = pickle.dumps(user)
    with tenant_scope("a"), Session(engine) as session:
        ENTERS[name](session, pickle.loads(cached))
        found = session.get(User, 1)
        assert found is not None
        assert found.largest == 100
        assert names(found.roles) == ["of a"]


@pytest.mark.parametrize("name", ["add", "merge without loading"])
def test_an_object_whose_tenant_was_not_loaded_is_not_taken_over(engine: Engine, name: str) -> None:
    with tenant_scope("b"), Session(engine) as session:
        bill: Any = session.scalars(select(Bill).options(load_only(Bill.total))).one()
        session.expunge(bill)
    with tenant_scope("a"), Session(engine) as session:
        with suppress(CrossTenantAccessError):
            ENTERS[name](session, bill)
        assert session.get(Bill, 2) is None


def test_a_session_iterates_over_the_objects_of_its_scope(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("b"):
            bill = session.get(Bill, 2)
            assert list(session) == [bill]
        with tenant_scope("a"):
            assert list(session) == []


class Owner(Base):
    """Shared, with a favourite bill."""

    __tablename__ = "sho_owner"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bill_id: Mapped[int | None] = mapped_column(ForeignKey("sho_bill.id"))
    bill: Mapped[Bill | None] = relationship()


shared_across_tenants(Owner)


@tenant_aware
class Letter(Base):
    """Refers to a bill of its own tenant."""

    __tablename__ = "sho_letter"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))
    bill_id: Mapped[int | None] = mapped_column(ForeignKey("sho_bill.id"))
    bill: Mapped[Bill | None] = relationship()


def test_a_pending_reference_to_a_tenants_object_is_written_before_a_system_scope_reads(
    engine: Engine,
) -> None:
    fill(engine, "INSERT INTO sho_owner (id) VALUES (1)")
    with Session(engine) as session, tenant_scope("a"):
        owner = session.get(Owner, 1)
        assert owner is not None
        owner.bill = session.get(Bill, 1)
        with system_scope("count"):
            session.scalar(select(func.count()).select_from(Bill))
        session.commit()
    assert rows(engine, "SELECT bill_id FROM sho_owner") == [(1,)]


@pytest.mark.parametrize("is_new", [False, True])
def test_a_pending_reference_to_a_tenants_object_does_not_go_on_in_another_scope(
    engine: Engine, is_new: bool
) -> None:
    fill(engine, "INSERT INTO sho_owner (id) VALUES (1)")
    with Session(engine) as session:
        with tenant_scope("a"):
            owner = Owner(id=2) if is_new else session.get(Owner, 1)
            assert owner is not None
            session.add(owner)
            owner.bill = session.get(Bill, 1)
        with tenant_scope("b"), pytest.raises(ScopeMismatchError):
            session.commit()
        with tenant_scope("a"):
            session.commit()
    assert (1,) in rows(engine, "SELECT bill_id FROM sho_owner")


def test_a_reference_to_another_tenants_object_is_not_dropped_in_the_tenants_scope(
    engine: Engine,
) -> None:
    fill(engine, "INSERT INTO sho_letter (id, tenant_id) VALUES (1, 'a')")
    with Session(engine) as session:
        with system_scope("administration"):
            letter = session.get(Letter, 1)
            assert letter is not None
            letter.bill = session.get(Bill, 2)
        with tenant_scope("a"), pytest.raises(ScopeMismatchError):
            session.commit()


def test_a_reference_to_the_tenants_own_object_goes_on_in_its_scope(engine: Engine) -> None:
    fill(engine, "INSERT INTO sho_letter (id, tenant_id) VALUES (1, 'a')")
    with Session(engine) as session:
        with system_scope("administration"):
            letter = session.get(Letter, 1)
            assert letter is not None
            letter.bill = session.get(Bill, 1)
        with tenant_scope("a"):
            session.commit()
    assert rows(engine, "SELECT bill_id FROM sho_letter") == [(1,)]
