"""Every table must be declared, where that is required."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, Table
from sqlalchemy.orm import Mapped, configure_mappers, mapped_column

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy import (
    require_declared,
    shared_across_tenants,
    tenant_aware,
)

from .declaring import base

# -- require_declared ------------------------------------------------------------


def test_undeclared_tables_are_listed_when_mappers_are_configured() -> None:
    shared_base = base()

    class Forgotten(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_forgotten"
        id: Mapped[int] = mapped_column(primary_key=True)

    loose = Table("decl_loose", shared_base.metadata, Column("id", Integer), schema="decl_schema")
    require_declared(shared_base)
    with pytest.raises(ConfigurationError) as caught:
        configure_mappers()
    message = str(caught.value)
    assert "decl_forgotten" in message
    assert "decl_schema.decl_loose" in message
    assert "@tenant_aware or @shared_across_tenants" in message
    shared_across_tenants(Forgotten)
    shared_across_tenants(loose)
    configure_mappers()


def test_undeclared_tables_stay_an_error_until_they_are_declared() -> None:
    shared_base = base()

    class Undecided(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_undecided"
        id: Mapped[int] = mapped_column(primary_key=True)

    require_declared(shared_base)
    try:
        for _ in range(3):
            with pytest.raises(ConfigurationError, match="decl_undecided"):
                configure_mappers()
    finally:
        shared_across_tenants(Undecided)
    configure_mappers()


def test_it_is_not_too_late_after_mappers_were_configured() -> None:
    shared_base = base()

    class Early(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_configured_early"
        id: Mapped[int] = mapped_column(primary_key=True)

    configure_mappers()
    try:
        with pytest.raises(ConfigurationError, match="decl_configured_early"):  # noqa: PT012
            require_declared(shared_base)
            configure_mappers()
    finally:
        shared_across_tenants(Early)
    configure_mappers()


def test_tables_that_are_declared_or_tied_pass() -> None:
    shared_base = base()
    metadata = shared_base.metadata

    @tenant_aware
    class Author(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_author"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]

    @tenant_aware
    class Book(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_book"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]

    @shared_across_tenants
    class Language(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_language"
        id: Mapped[int] = mapped_column(primary_key=True)

    Table(
        "decl_authorship",
        metadata,
        Column("author_id", ForeignKey(Author.id), primary_key=True),
        Column("book_id", ForeignKey(Book.id), primary_key=True),
    )
    Table("decl_page", metadata, Column("book_id", ForeignKey(Book.id), nullable=False))
    require_declared(metadata)
    configure_mappers()
    assert Language.metadata is metadata


@pytest.mark.parametrize("target", ["Base", object(), int])
def test_require_declared_takes_a_base_or_a_metadata(target: Any) -> None:
    with pytest.raises(ConfigurationError, match="a declarative base or a MetaData"):
        require_declared(target)
