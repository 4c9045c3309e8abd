"""SQLAlchemy's collections while something is being added to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    event,
    text,
)
from sqlalchemy.ext.declarative import DeferredReflection
from sqlalchemy.orm import DeclarativeBase, Mapped, Mapper, mapped_column

from tenantshield_mw.adapters.sqlalchemy.snapshots import (
    foreign_keys_of,
    mappers_of,
    values_of_option,
)
from tests.threads import in_thread


@pytest.fixture
def made() -> Iterator[Any]:
    class Base(DeclarativeBase):
        metadata = MetaData()

    class There(Base):
        __tablename__ = "there"
        id: Mapped[int] = mapped_column(primary_key=True)

    # The registry does not keep its classes.
    yield Base
    del There


def names_of(base: Any) -> list[str]:
    return sorted(each.class_.__name__ for each in mappers_of(base.registry))


# -- mappers -----------------------------------------------------------------------------


def test_all_mapped_classes_of_a_base_are_there(made: Any) -> None:
    assert set(mappers_of(made.registry)) == made.registry.mappers


def test_a_class_that_waits_for_reflection_is_left_out(made: Any) -> None:
    class Later(DeferredReflection, made):  # type: ignore[misc]
        __tablename__ = "later"

    assert names_of(made) == ["There"]


@pytest.mark.parametrize("moment", ["instrument_class", "after_mapper_constructed"])
def test_a_class_is_left_out_until_its_mapper_is_complete(made: Any, moment: str) -> None:
    found: list[Any] = []

    def look(mapper: Mapper[Any], _: type) -> None:
        found.append(in_thread(lambda: names_of(made)))

    event.listen(Mapper, moment, look)
    try:

        class Late(made):  # type: ignore[misc]
            __tablename__ = "late"
            id: Mapped[int] = mapped_column(primary_key=True)

    finally:
        event.remove(Mapper, moment, look)
    assert found == [["There"] if moment == "instrument_class" else ["Late", "There"]]


# -- foreign keys ------------------------------------------------------------------------


def tables() -> tuple[Table, Table]:
    metadata = MetaData()
    parent = Table("parent", metadata, Column("a", Integer), Column("b", Integer))
    child = Table("child", metadata, Column("a", ForeignKey("parent.a")), Column("b", Integer))
    return parent, child


def test_the_foreign_keys_are_those_of_the_table() -> None:
    parent, child = tables()
    child.append_constraint(ForeignKeyConstraint(["a", "b"], ["parent.a", "parent.b"]))
    assert foreign_keys_of(child) == child.foreign_key_constraints
    assert len(foreign_keys_of(child)) == 2
    assert foreign_keys_of(parent) == set()


def test_a_columns_own_foreign_key_is_there_when_it_is_told_of() -> None:
    _, child = tables()
    found: list[Any] = []

    @event.listens_for(ForeignKeyConstraint, "after_parent_attach")
    def look(constraint: ForeignKeyConstraint, table: Table) -> None:
        found.append({each.column_keys[0] for each in in_thread(lambda: foreign_keys_of(table))})

    try:
        child.append_column(Column("c", ForeignKey("parent.b")))
    finally:
        event.remove(ForeignKeyConstraint, "after_parent_attach", look)
    assert found == [{"a", "c"}]


def test_a_foreign_key_without_all_its_columns_is_left_out() -> None:
    _, child = tables()
    constraint = ForeignKeyConstraint(["a", "b"], ["parent.a", "parent.b"])
    found: list[Any] = []

    def look(key: ForeignKey, column: Column[Any]) -> None:
        found.append(len(in_thread(lambda: foreign_keys_of(child))))

    for each in constraint.elements:
        event.listen(each, "before_parent_attach", look)
    child.append_constraint(constraint)
    assert found == [1, 1]
    assert len(foreign_keys_of(child)) == 2


# -- options -----------------------------------------------------------------------------


def test_an_option_has_a_value_for_each_dialect_that_it_was_given_for() -> None:
    parent, child = tables()
    given: dict[str, Any] = {"postgresql_where": text("a > 1"), "sqlite_where": text("a > 2")}
    index = Index("some", parent.c.a, **given)
    assert sorted(map(str, values_of_option(index, "where"))) == ["a > 1", "a > 2"]
    assert values_of_option(index, "inherits") == []
    assert values_of_option(Index("other", child.c.b), "where") == []


def test_an_option_at_its_default_has_no_value() -> None:
    parent, _ = tables()
    assert parent.dialect_options["postgresql"]["inherits"] is None
    assert values_of_option(parent, "inherits") == []
