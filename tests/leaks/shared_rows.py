"""Tables in which rows of everybody stand beside a tenant's own, and what refers to them."""

# pyright: reportUnusedClass=false

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Column, ForeignKey, Integer, String, Table, null
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .protections import Protection

__all__ = ["EVERYBODY", "MODELS", "define_shared_rows", "is_everybodys"]

EVERYBODY: Final = "everybody"
"""What stands for a tenant in rows of everybody, where it is not NULL."""

_NULL: Final = "acct_provider"


MODELS: Final = frozenset({"Provider", "Template", "Offer", "Trial", "TrialNote", "Talk"})
"""Their names. A protection without such rows has none of them."""


def is_everybodys(table: str, tenant: object) -> bool:
    """Return whether a row with this tenant is everybody's."""
    return (tenant is None and table == _NULL) or tenant == EVERYBODY


def define_shared_rows(p: Protection, base: Any) -> Iterator[Any]:
    """Yield the models."""

    def table(name: str, *more: Any, nullable: bool = False) -> Table:
        return Table(
            name,
            base.metadata,
            Column("id", Integer, primary_key=True),
            Column(p.key, String(40), nullable=nullable, index=True),
            Column("name", String(80)),
            *more,
        )

    @p.aware_shared(null())
    class Provider(base):  # type: ignore[misc]
        __table__ = table(_NULL, nullable=True)
        offers: Mapped[list[Any]] = relationship("Offer", back_populates="provider")
        talks: Mapped[list[Any]] = relationship(
            "Talk", back_populates="provider", order_by="Talk.id"
        )

    @p.aware_shared(EVERYBODY)
    class Template(base):  # type: ignore[misc]
        __table__ = table("acct_template")

    class Offer(base):  # type: ignore[misc]
        """Not marked: tied to its provider, and everybody's where that is."""

        __tablename__ = "acct_offer"
        id: Mapped[int] = mapped_column(primary_key=True)
        provider_id: Mapped[int] = mapped_column(ForeignKey("acct_provider.id"))
        name: Mapped[str] = mapped_column(String(80))
        provider: Mapped[Any] = relationship("Provider", back_populates="offers")

    class Trial(base):  # type: ignore[misc]
        """Not marked: tied to two tables with rows of everybody."""

        __tablename__ = "acct_trial"
        id: Mapped[int] = mapped_column(primary_key=True)
        provider_id: Mapped[int] = mapped_column(ForeignKey("acct_provider.id"))
        template_id: Mapped[int] = mapped_column(ForeignKey("acct_template.id"))
        name: Mapped[str] = mapped_column(String(80))

    class TrialNote(base):  # type: ignore[misc]
        """Not marked: tied to that."""

        __tablename__ = "acct_trial_note"
        id: Mapped[int] = mapped_column(primary_key=True)
        trial_id: Mapped[int] = mapped_column(ForeignKey("acct_trial.id"))
        name: Mapped[str] = mapped_column(String(80))

    @p.aware
    class Talk(base):  # type: ignore[misc]
        __table__ = table(
            "acct_talk",
            Column("provider_id", ForeignKey("acct_provider.id")),
            Column("template_id", ForeignKey("acct_template.id")),
        )
        provider: Mapped[Any] = relationship("Provider", back_populates="talks")

    yield from (Provider, Template, Offer, Trial, TrialNote, Talk)
