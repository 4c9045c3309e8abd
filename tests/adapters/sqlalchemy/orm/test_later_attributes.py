"""Attributes, tables and classes that are added when a mapper is in use already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import ForeignKey, ForeignKeyConstraint, MetaData, String, event, func, select
from sqlalchemy.ext.declarative import DeferredReflection
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Mapper,
    Session,
    column_property,
    configure_mappers,
    declared_attr,
    mapped_column,
    relationship,
)
from sqlalchemy.orm.exc import UnmappedColumnError

from tenantshield_mw import CrossTenantAccessError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.orm import mappers
from tenantshield_mw.adapters.sqlalchemy.orm.mappers import attributes_of, info_of, mapper_of
from tenantshield_mw.adapters.sqlalchemy.ownership.registry import registry
from tests.databases import memory_engine
from tests.threads import in_thread


class Model:
    """A shared class, a class below it and two of tenants', of a base of their own."""

    def __init__(self) -> None:
        class Base(DeclarativeBase):
            metadata = MetaData()

        @shared_across_tenants
        class Shop(Base):
            __tablename__ = "late_shop"
            id: Mapped[int] = mapped_column(primary_key=True)
            kind: Mapped[str | None] = mapped_column(String(9))
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "shop"}  # noqa: RUF012

        class Stall(Shop):
            __mapper_args__ = {"polymorphic_identity": "stall"}  # noqa: RUF012

        @tenant_aware
        class Owner(Base):
            __tablename__ = "late_owner"
            id: Mapped[int] = mapped_column(primary_key=True)
            tenant_id: Mapped[str] = mapped_column(String(20))

        @tenant_aware
        class Note(Base):
            __tablename__ = "late_note"
            id: Mapped[int] = mapped_column(primary_key=True)
            tenant_id: Mapped[str] = mapped_column(String(20))
            shop_id: Mapped[int | None] = mapped_column(ForeignKey("late_shop.id"))
            other_id: Mapped[int | None] = mapped_column(ForeignKey("late_owner.id"))

        configure_mappers()
        self.base, self.shop, self.stall = Base, Shop, Stall
        self.owner, self.note = Owner, Note


@pytest.fixture
def model(declared_for_a_test: None) -> Iterator[Any]:
    made: Any = Model()
    yield made
    made.base.registry.dispose()


def count(model: Any) -> Any:
    """The number of a shop's notes, which differs by tenant."""
    counted = select(func.count(model.note.id)).where(model.note.shop_id == model.shop.id)
    return column_property(counted.scalar_subquery())


# -- attributes --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["shop", "stall"])
def test_what_an_attribute_added_later_computes_is_not_kept_for_another_tenant(
    model: Any, kind: str
) -> None:
    engine = memory_engine()
    model.base.metadata.create_all(engine)
    cls = getattr(model, kind)
    with system_scope("to fill"), Session(engine) as session:
        session.add(cls(id=1))
        session.flush()
        session.add_all(model.note(tenant_id=each, shop_id=1) for each in ("acme", "globex"))
        session.add(model.note(tenant_id="globex", shop_id=1))
        session.commit()
    with Session(engine) as session:
        for each in ("acme", "globex"):
            with tenant_scope(each):
                session.get_one(cls, 1)
    model.shop.notes = count(model)
    # SQLAlchemy would go on with what it compiled without the attribute.
    engine.clear_compiled_cache()
    with Session(engine) as session:
        with tenant_scope("globex"):
            shop = session.get_one(cls, 1)
            assert shop.notes == 2
        with tenant_scope("acme"):
            assert session.get_one(cls, 1).notes == 1


def test_a_relationship_that_is_added_later_counts(model: Any) -> None:
    mapper = model.owner.__mapper__
    assert info_of(mapper).to_owned == []
    model.owner.notes = relationship(model.note)
    assert info_of(mapper).to_owned == ["notes"]


def test_what_is_known_of_a_mapper_is_kept_as_long_as_it_holds(model: Any) -> None:
    mapper = model.shop.__mapper__
    assert info_of(mapper) is info_of(mapper)


@pytest.fixture
def look(model: Any) -> Callable[..., None]:
    """What another thread does: it uses the mapper, as a flush does."""
    return lambda *_: in_thread(lambda: info_of(model.owner.__mapper__))


def references(model: Any) -> list[Any]:
    return [attributes for _, attributes in info_of(model.owner.__mapper__).references]


def add_a_column(model: Any) -> None:
    model.owner.parent_id = mapped_column(ForeignKey("late_owner.id"))


def test_a_column_is_checked_though_the_mapper_was_used_before_it_had_the_attribute(
    model: Any, look: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_property = Mapper.add_property

    def pausing(*args: Any) -> None:
        look()
        add_property(*args)

    monkeypatch.setattr(Mapper, "add_property", pausing)
    add_a_column(model)
    assert references(model) == [("parent_id",)]


def test_a_column_is_checked_though_the_mapper_was_used_while_it_was_attached(
    model: Any, look: Callable[..., None]
) -> None:
    event.listen(ForeignKeyConstraint, "after_parent_attach", look)
    try:
        add_a_column(model)
    finally:
        event.remove(ForeignKeyConstraint, "after_parent_attach", look)
    assert references(model) == [("parent_id",)]


def test_a_column_has_no_attribute_until_the_mapper_finds_it(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapper, table = model.note.__mapper__, model.note.__table__
    assert attributes_of(mapper, table, ["shop_id"]) == ("shop_id",)

    def missing(self: Mapper[Any], column: Any) -> Any:
        raise UnmappedColumnError

    monkeypatch.setattr(Mapper, "get_property_by_column", missing)
    assert attributes_of(mapper, table, ["shop_id"]) is None


# -- the registry ------------------------------------------------------------------------


def test_tables_that_are_protected_again_meanwhile_are_not_left_out(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.observe(None)
    waiting = [lambda: registry.observe([])]

    def is_protected(table: Any) -> bool:
        found = original(table)
        if waiting:
            in_thread(waiting.pop())
        return found

    original = mappers.is_protected
    monkeypatch.setattr(mappers, "is_protected", is_protected)
    info_of(model.note.__mapper__)
    assert not waiting
    assert info_of(model.note.__mapper__).is_owned
    assert [names for _, names in info_of(model.note.__mapper__).references] == [("other_id",)]


# -- classes -----------------------------------------------------------------------------


def found(model: Any) -> Mapper[Any] | None:
    return mapper_of(model.owner.__table__, ("id",), [model.base.registry])


def test_a_class_that_another_thread_declares_is_no_obstacle(model: Any) -> None:
    meanwhile: list[Any] = []

    class Late(model.base):  # type: ignore[misc]
        __tablename__ = "late_late"
        id: Mapped[int] = mapped_column(primary_key=True)

        @declared_attr
        def name(cls) -> Mapped[str]:  # noqa: N805
            meanwhile.append(in_thread(lambda: found(model)))
            return mapped_column(String(9))

    assert meanwhile == [model.owner.__mapper__]


def test_a_class_that_waits_for_reflection_is_no_obstacle(model: Any) -> None:
    engine = memory_engine()
    model.base.metadata.create_all(engine)

    class Reflected(DeferredReflection, model.base):  # type: ignore[misc]
        __tablename__ = "late_reflected"

    with tenant_scope("acme"), Session(engine) as session:
        session.add(model.owner(id=1))
        session.flush()
        session.add(model.note(id=1, other_id=1))
        session.flush()
        session.add(model.note(id=2, other_id=2))
        with pytest.raises(CrossTenantAccessError):
            session.flush()
    assert Reflected.__name__
