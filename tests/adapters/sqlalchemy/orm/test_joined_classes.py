"""Classes that are mapped to several tables, each of which has a tenant column."""

from __future__ import annotations

from typing import Any, cast

import pytest
from sqlalchemy import Engine, ForeignKey, ForeignKeyConstraint, MetaData, String, join, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, column_property, mapped_column

from tenantshield_mw import CrossTenantAccessError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware

from ..watching import creating, engine_on_each, rows


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Person(Base):
    __tablename__ = "joined_person"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(20))


@tenant_aware
class Address(Base):
    __tablename__ = "joined_address"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    person_id: Mapped[int] = mapped_column(ForeignKey("joined_person.id"))
    city: Mapped[str | None] = mapped_column(String(20))


person: Any = Person.__table__
address: Any = Address.__table__


class Both(Base):
    """A person with an address: the tenant columns have attributes of their own."""

    __table__ = join(person, address, person.c.id == address.c.person_id)
    id = column_property(person.c.id, address.c.person_id)
    address_id = address.c.id
    tenant_id = column_property(person.c.tenant_id)
    of_address = address.c.tenant_id


@tenant_aware
class Place(Base):
    __tablename__ = "joined_place"
    tenant_id: Mapped[str] = mapped_column(String(20), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(20))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "place"}  # noqa: RUF012


@tenant_aware(column="owner")
class House(Place):
    """Inherits, and has the tenant under another name too."""

    __tablename__ = "joined_house"
    __table_args__ = (
        ForeignKeyConstraint(["owner", "house_id"], ["joined_place.tenant_id", "joined_place.id"]),
    )
    owner: Mapped[str] = mapped_column(String(20), primary_key=True)
    house_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    floors: Mapped[int | None]
    __mapper_args__ = {"polymorphic_identity": "house"}  # noqa: RUF012


engine = engine_on_each(
    creating(
        Base.metadata,
        "INSERT INTO joined_person VALUES (1, 'globex', 'theirs')",
        "INSERT INTO joined_address VALUES (1, 'globex', 1, 'there')",
    )
)

OF_ACME = {
    name: f"SELECT * FROM joined_{name} WHERE {column} = 'acme'"
    for name, column in (
        ("person", "tenant_id"),
        ("address", "tenant_id"),
        ("place", "tenant_id"),
        ("house", "owner"),
    )
}


@pytest.mark.parametrize("given", [{}, {"tenant_id": "acme"}, {"of_address": "acme"}])
def test_a_new_object_gets_the_tenant_in_each_table(engine: Engine, given: dict[str, Any]) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.add(Both(id=5, address_id=6, name="mine", city="here", **given))
        session.commit()
        [found] = session.scalars(select(Both))
        assert (found.tenant_id, found.of_address) == ("acme", "acme")
    assert rows(engine, OF_ACME["person"]) == [(5, "acme", "mine")]
    assert rows(engine, OF_ACME["address"]) == [(6, "acme", 5, "here")]


@pytest.mark.parametrize("attribute", ["tenant_id", "of_address"])
def test_a_new_object_of_another_tenant_is_refused(engine: Engine, attribute: str) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.add(Both(id=5, address_id=6, name="x", **{attribute: "globex"}))
        with pytest.raises(CrossTenantAccessError, match=f"{attribute} of the new object"):
            session.commit()
    assert rows(engine, OF_ACME["person"]) == []


def test_an_object_is_changed_and_deleted_in_each_table(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.add(Both(id=5, address_id=6, name="mine", city="here"))
        session.commit()
        [found] = cast("list[Any]", session.scalars(select(Both)).all())
        found.tenant_id = found.of_address = "acme"
        found.name, found.city = "new", "there"
        session.commit()
        assert rows(engine, OF_ACME["address"]) == [(6, "acme", 5, "there")]
        session.delete(found)
        session.commit()
    assert rows(engine, OF_ACME["person"]) == rows(engine, OF_ACME["address"]) == []


@pytest.mark.parametrize("attribute", ["tenant_id", "of_address"])
def test_a_row_changes_tenant_in_no_table(engine: Engine, attribute: str) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.add(Both(id=5, address_id=6, name="mine"))
        session.commit()
        [found] = session.scalars(select(Both))
        setattr(found, attribute, "globex")
        with pytest.raises(CrossTenantAccessError, match=f"{attribute} of the object"):
            session.commit()


def test_a_system_scope_gives_an_object_one_tenant(engine: Engine) -> None:
    with system_scope("a test"), Session(engine) as session:
        session.add(Both(id=5, address_id=6, name="x", tenant_id="acme", of_address="globex"))
        with pytest.raises(CrossTenantAccessError, match="different tenants"):
            session.commit()
        session.rollback()
        session.add(Both(id=5, address_id=6, name="x", tenant_id="acme", of_address="acme"))
        session.commit()


def test_a_class_that_inherits_may_call_its_tenant_column_differently(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        session.add(House(id=5, floors=1))
        session.commit()
        house = session.merge(House(id=5, house_id=5, floors=2))
        session.commit()
        assert house.floors == 2
    assert rows(engine, OF_ACME["place"]) == [("acme", 5, "house")]
    assert rows(engine, OF_ACME["house"]) == [("acme", 5, 2)]
