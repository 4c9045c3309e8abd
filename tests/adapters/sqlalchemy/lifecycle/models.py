"""Models with everything that a tenant's rows can be: imported by the commands, too."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Computed,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    PickleType,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    null,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw.adapters.sqlalchemy import (
    require_declared,
    shared_across_tenants,
    tenant_aware,
)


class Base(DeclarativeBase):
    metadata = MetaData()


class Reversed(TypeDecorator[str]):
    """A text that is stored backwards, as an encrypted one could be."""

    impl = String(60)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value[::-1]

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        raise AssertionError("nothing of this package may need the value itself")


class Guid(TypeDecorator[uuid.UUID]):
    """The older way to a UUID on every database."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: uuid.UUID | None, dialect: Any) -> str | None:
        return None if value is None else value.hex

    def process_result_value(self, value: str | None, dialect: Any) -> uuid.UUID | None:
        return None if value is None else uuid.UUID(value)


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


@shared_across_tenants
class Currency(Base):
    __tablename__ = "life_currency"
    code: Mapped[str] = mapped_column(String(3), primary_key=True)
    name: Mapped[str] = mapped_column(String(40))


@tenant_aware(shared_rows=null())
class Tag(Base):
    """Some are everybody's."""

    __tablename__ = "life_tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str | None] = mapped_column(String(40), index=True)
    text: Mapped[str] = mapped_column(String(40))


@tenant_aware
class Person(Base):
    """A tree, with a circle over the team; and a joined base."""

    __tablename__ = "life_person"
    __mapper_args__ = {  # noqa: RUF012
        "polymorphic_on": "kind",
        "polymorphic_identity": "person",
    }
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(40), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(40))
    manager_id: Mapped[int | None] = mapped_column(ForeignKey("life_person.id"))
    team_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("life_team.id", use_alter=True, name="life_person_team")
    )
    changed: Mapped[str] = mapped_column(String(20), default="new", onupdate="changed")


class Engineer(Person):
    __tablename__ = "life_engineer"
    __mapper_args__ = {"polymorphic_identity": "engineer"}  # noqa: RUF012
    id: Mapped[int] = mapped_column(ForeignKey("life_person.id"), primary_key=True)
    language: Mapped[str] = mapped_column(String(20))


@tenant_aware
class Team(Base):
    __tablename__ = "life_team"
    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
    tenant_id: Mapped[str] = mapped_column(String(40), index=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("life_person.id"))


@tenant_aware
class Invoice(Base):
    """A key that includes the tenant."""

    __tablename__ = "life_invoice"
    tenant_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    currency: Mapped[str] = mapped_column(ForeignKey("life_currency.code"))
    total: Mapped[Decimal] = mapped_column(Numeric(20, 4))
    doubled: Mapped[int] = mapped_column(Integer, Computed("number * 2", persisted=True))


class Line(Base):
    """Tied by a composite key."""

    __tablename__ = "life_line"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "number"], ["life_invoice.tenant_id", "life_invoice.number"]
        ),
        UniqueConstraint("tenant_id", "number", "position"),
    )
    id: Mapped[uuid.UUID] = mapped_column(Guid, primary_key=True, default=uuid.uuid4)
    tenant_id: Mapped[str] = mapped_column(String(40))
    number: Mapped[int]
    position: Mapped[int]
    text: Mapped[str | None] = mapped_column(Text)


class Note(Base):
    """Tied to a tied table."""

    __tablename__ = "life_note"
    id: Mapped[int] = mapped_column(primary_key=True)
    line_id: Mapped[uuid.UUID] = mapped_column(Guid, ForeignKey("life_line.id"))
    secret: Mapped[str | None] = mapped_column(Reversed)


tagged = Table(
    "life_tagged",
    Base.metadata,
    Column("person_id", ForeignKey("life_person.id"), primary_key=True),
    Column("tag_id", ForeignKey("life_tag.id"), primary_key=True),
)
"""An association, some of whose rows refer to everybody's tags."""


@tenant_aware
class Sample(Base):
    """A column of each type."""

    __tablename__ = "life_sample"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(40), index=True)
    text: Mapped[str | None] = mapped_column(Text)
    flag: Mapped[bool | None]
    number: Mapped[int | None]
    real: Mapped[float | None] = mapped_column(Float(53))
    amount: Mapped[Decimal | None] = mapped_column(Numeric(18, 6))
    data: Mapped[bytes | None] = mapped_column(LargeBinary)
    day: Mapped[dt.date | None]
    clock: Mapped[dt.time | None]
    moment: Mapped[dt.datetime | None]
    zoned: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    period: Mapped[dt.timedelta | None] = mapped_column(Interval)
    key: Mapped[uuid.UUID | None]
    text_key: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    document: Mapped[Any] = mapped_column(JSON, nullable=True)
    colour: Mapped[Colour | None]
    pickled: Mapped[Any] = mapped_column(PickleType, nullable=True)


require_declared(Base)
