"""Ordinary changes to objects whose keys include the tenant, or whose type converts it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, Integer, MetaData, String, TypeDecorator, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, deferred, mapped_column, relationship
from sqlalchemy.types import CHAR

from tenantshield_mw import CrossTenantAccessError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware, tenant_foreign_key
from tests.databases import NAMES, DatabaseName, database

from ..watching import fill, rows


class Guid(TypeDecorator[uuid.UUID]):
    """A UUID in a CHAR(32), the recipe from before SQLAlchemy had Uuid."""

    impl = CHAR(32)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else uuid.UUID(str(value)).hex

    def process_result_value(self, value: Any, dialect: Any) -> uuid.UUID | None:
        return None if value is None else uuid.UUID(value)


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Tag(Base):
    __tablename__ = "objects_tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(Guid)
    name: Mapped[str] = mapped_column(String(9))


@tenant_aware
class Team(Base):
    __tablename__ = "objects_team"
    tenant_id: Mapped[str] = mapped_column(String(20), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column(String(9))
    members: Mapped[list[Member]] = relationship(back_populates="team")


@tenant_aware
class Member(Base):
    __tablename__ = "objects_member"
    __table_args__ = (tenant_foreign_key("team_id", "objects_team.id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = deferred(mapped_column(String(20)))
    team_id: Mapped[int | None] = mapped_column(Integer)
    team: Mapped[Team | None] = relationship(back_populates="members")


@tenant_aware
class Badge(Base):
    """Also has the tenant in its primary key."""

    __tablename__ = "objects_badge"
    __table_args__ = (tenant_foreign_key("team_id", "objects_team.id"),)
    tenant_id: Mapped[str] = mapped_column(String(20), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    team_id: Mapped[int | None] = mapped_column(Integer)
    team: Mapped[Team | None] = relationship(overlaps="members,team")


ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)

SEED = (
    "INSERT INTO objects_team (tenant_id, id, name) VALUES ('acme', 1, 'a'), ('globex', 1, 'b')",
    "INSERT INTO objects_member (id, tenant_id, team_id) VALUES (1, 'acme', 1), (2, 'globex', 1)",
    "INSERT INTO objects_badge (tenant_id, id, team_id) VALUES ('acme', 1, 1), ('globex', 1, 1)",
    f"INSERT INTO objects_tag VALUES (1, '{ONE.hex}', 'a'), (2, '{TWO.hex}', 'b')",
)


@pytest.fixture(scope="module", params=NAMES)
def created(request: pytest.FixtureRequest) -> Iterator[Engine]:
    where: DatabaseName = request.param
    with database(where) as here:
        engine = here.engine()
        Base.metadata.create_all(engine)
        yield engine
        engine.dispose()


@pytest.fixture
def engine(created: Engine) -> Engine:
    names = [each.name for each in reversed(Base.metadata.sorted_tables)]
    fill(created, *(f"DELETE FROM {name}" for name in names), *SEED)
    return created


# -- a nullable key that includes the tenant ---------------------------------------


def members(engine: Engine) -> list[tuple[Any, ...]]:
    return rows(engine, "SELECT tenant_id, team_id FROM objects_member ORDER BY id")


LEFT = [("acme", None), ("globex", 1)]


def test_a_reference_is_set_to_none(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.scalars(select(Member)).one().team = None
        session.commit()
    assert members(engine) == LEFT


def test_a_child_is_removed_from_a_collection(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        team = session.scalars(select(Team)).one()
        team.members.remove(team.members[0])
        session.commit()
    assert members(engine) == LEFT


def test_a_collection_is_replaced(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.scalars(select(Team)).one().members = []
        session.commit()
    assert members(engine) == LEFT


def test_a_parent_is_deleted_and_its_children_stay(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        for badge in session.scalars(select(Badge)):
            badge.team = None
        session.delete(session.scalars(select(Team)).one())
        session.commit()
    assert members(engine) == LEFT
    assert rows(engine, "SELECT tenant_id FROM objects_team") == [("globex",)]


def test_a_child_with_the_tenant_in_its_primary_key_leaves_its_parent(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.scalars(select(Badge)).one().team = None
        session.commit()
    assert rows(engine, "SELECT tenant_id, team_id FROM objects_badge ORDER BY tenant_id") == LEFT


def test_a_child_moves_to_another_parent_in_the_system_scope(engine: Engine) -> None:
    with system_scope("a move"), Session(engine) as session:
        team = Team(tenant_id="globex", id=2)
        session.add(team)
        team.members.append(Member(id=9))
        session.commit()
    assert members(engine)[-1] == ("globex", 2)


# -- a primary key that includes the tenant ------------------------------------------


@pytest.mark.parametrize("load", ["first", "merge alone"])
def test_merge_finds_the_row_without_the_tenant(engine: Engine, load: str) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        if load == "first":
            assert session.scalars(select(Team)).one().name == "a"
        session.merge(Team(id=1, name="new"))
        session.commit()
    assert sorted(rows(engine, "SELECT tenant_id, name FROM objects_team")) == [
        ("acme", "new"),
        ("globex", "b"),
    ]


def test_merge_inserts_a_row_that_is_not_there(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.merge(Team(id=7, name="new"))
        session.commit()
    assert ("acme", 7) in rows(engine, "SELECT tenant_id, id FROM objects_team")


def test_merge_of_another_tenants_key_is_refused(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.merge(Team(tenant_id="globex", id=1, name="new"))
        with pytest.raises(CrossTenantAccessError):
            session.commit()
    assert ("b",) in rows(engine, "SELECT name FROM objects_team")


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
