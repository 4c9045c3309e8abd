"""What is examined, and what is fine and not reported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, event, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Mapper, mapped_column, registry, relationship

from tenantshield_mw import ConfigurationError, system_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.doctor import examine
from tests.databases import NAMES, database, require

from .shop import Shop, kinds


@pytest.mark.parametrize("moment", ["before_configured", "after_configured"])
def test_tables_that_appear_when_mappers_are_configured_are_examined(moment: str) -> None:
    class Base(DeclarativeBase):
        pass

    name = f"examine_{moment}"

    @tenant_aware
    class Kept(Base):
        __tablename__ = f"{name}_kept"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(20), index=True)

    def add_history() -> None:
        if f"{name}_history" not in Base.metadata.tables:
            Table(f"{name}_history", Base.metadata, Column("id", Integer, primary_key=True))

    event.listen(Mapper, moment, add_history)
    try:
        assert kinds(Base.metadata) == [("undeclared", f"{name}_history")]
    finally:
        event.remove(Mapper, moment, add_history)


def test_mappers_that_cannot_be_configured_are_an_error() -> None:
    own = registry()

    class Base(DeclarativeBase):
        registry = own

    class Broken(Base):
        __tablename__ = "examine_broken"
        id: Mapped[int] = mapped_column(primary_key=True)
        other: Mapped[Any] = relationship("NowhereToBeFound")

    try:
        with pytest.raises(ConfigurationError, match="NowhereToBeFound"):
            examine(Broken.metadata)
    finally:
        own.dispose()


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    require(request.param)
    with database(request.param) as here:
        engine = here.engine()
        yield engine
        engine.dispose()


def test_an_index_that_only_the_database_has_is_fine(engine: Engine) -> None:
    shop = Shop()
    odd = tenant_aware(
        shop.table("odd", shop.key(), Column("tenant_id", String(40), nullable=False))
    )
    assert kinds(shop.metadata) == [("tenant-not-indexed", odd.name)]
    with system_scope("a test"), engine.begin() as connection:
        shop.metadata.create_all(connection)
        assert ("tenant-not-indexed", odd.name) in kinds(shop.metadata, connection)
        connection.execute(text(f"CREATE INDEX {odd.name}_by ON {odd.name} (tenant_id, id)"))
    with engine.connect() as connection:
        assert ("tenant-not-indexed", odd.name) not in kinds(shop.metadata, connection)
    with system_scope("a test"):
        shop.metadata.drop_all(engine)


@pytest.mark.parametrize("tables", [MetaData(), None, object()])
def test_no_tables_at_all_are_an_error_and_not_a_clean_bill(tables: Any) -> None:
    with pytest.raises(ConfigurationError, match="import the modules with the models"):
        examine(tables)
