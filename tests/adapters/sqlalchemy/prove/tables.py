"""Tables that refer to each other, and rows of two tenants in them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ForeignKey, StaticPool, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.prove.rows import Rows
from tenantshield_mw.adapters.sqlalchemy.prove.target import Target
from tenantshield_mw.adapters.sqlalchemy.testing import outer_transaction

__all__ = ["Base", "Firm", "Paper", "Tag", "target_of"]


class Base(DeclarativeBase):
    pass


@tenant_aware(column="id")
class Firm(Base):
    __tablename__ = "prove_firm"
    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(20), unique=True)


@shared_across_tenants
class Tag(Base):
    __tablename__ = "prove_tag"
    id: Mapped[int] = mapped_column(primary_key=True)


@tenant_aware(column="firm_id")
class Paper(Base):
    __tablename__ = "prove_paper"
    id: Mapped[int] = mapped_column(primary_key=True)
    firm_id: Mapped[str] = mapped_column(ForeignKey("prove_firm.id"))
    tag_id: Mapped[int] = mapped_column(ForeignKey("prove_tag.id"))
    above_id: Mapped[int | None] = mapped_column(ForeignKey("prove_paper.id"))
    code: Mapped[str] = mapped_column(String(20), unique=True)
    text: Mapped[str] = mapped_column("body", String(20))


@contextmanager
def target_of(model: Any) -> Generator[Target]:
    """Yield the target for a model, with its tables filled."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    with outer_transaction(engine) as connection:
        rows = Rows(Base.metadata)
        rows.fill(connection)
        session = Session(connection, join_transaction_mode="create_savepoint")
        with session:
            yield Target(model.__table__, model.__mapper__, rows, connection, session)
    engine.dispose()
