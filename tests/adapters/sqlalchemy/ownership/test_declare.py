"""The declarations: valid targets, their effects, and the error messages."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Computed,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    func,
    insert,
    select,
)
from sqlalchemy.ext.declarative import ConcreteBase
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, configure_mappers, mapped_column

from tenantshield_mw import (
    ConfigurationError,
    CrossTenantAccessError,
    MissingTenantContextError,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import (
    require_declared,
    shared_across_tenants,
    tenant_aware,
)
from tests.databases import memory_engine

from ..watching import fill, rows


def base() -> type[DeclarativeBase]:
    class Base(DeclarativeBase):
        metadata = MetaData()

    return Base


def is_confined(metadata: MetaData, statement: Any) -> bool:
    """Return whether ``statement``, on empty tables, needs a tenant."""
    engine = memory_engine()
    metadata.create_all(engine)
    with engine.connect() as connection:
        try:
            connection.execute(statement).all()
        except MissingTenantContextError:
            return True
    return False


def names_seen(metadata: MetaData, tenant: Any, statement: Any, *seed: str) -> list[Any]:
    engine = memory_engine()
    metadata.create_all(engine)
    fill(engine, *seed)
    with tenant_scope(tenant), Session(engine) as session:
        return sorted(session.scalars(statement))


# -- what may be marked ----------------------------------------------------------


def test_a_model_is_marked_and_returned() -> None:
    class Plain(base()):  # type: ignore[misc]
        __tablename__ = "decl_model"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]
        name: Mapped[str]

    assert tenant_aware(Plain) is Plain
    seed = "INSERT INTO decl_model VALUES (1, 'acme', 'ours'), (2, 'globex', 'theirs')"
    assert names_seen(Plain.metadata, "acme", select(Plain.name), seed) == ["ours"]


def test_the_decorator_works_with_and_without_parentheses() -> None:
    shared_base = base()

    @tenant_aware
    class Bare(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_bare"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]

    @tenant_aware()
    class Called(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_called"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]

    assert is_confined(shared_base.metadata, select(Bare.id))
    assert is_confined(shared_base.metadata, select(Called.id))


def test_a_core_table_is_marked_and_returned() -> None:
    metadata = MetaData()
    notes = Table("decl_notes", metadata, Column("id", Integer), Column("tenant_id", String))
    assert tenant_aware(notes) is notes
    seed = "INSERT INTO decl_notes VALUES (1, 'acme'), (2, 'globex')"
    assert names_seen(metadata, "acme", select(notes.c.id), seed) == [1]


def test_a_mixin_marks_every_model_made_from_it() -> None:
    shared_base = base()

    @tenant_aware
    class OwnedByTenant:
        tenant_id: Mapped[str] = mapped_column(String(50))

    class First(OwnedByTenant, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_first"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Second(OwnedByTenant, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_second"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert is_confined(shared_base.metadata, select(First.id))
    assert is_confined(shared_base.metadata, select(Second.__table__.c.id))


def test_a_mixin_marks_with_its_own_column() -> None:
    shared_base = base()

    @tenant_aware(column="org_id")
    class OwnedByOrganisation:
        org_id: Mapped[int]

    class Mixed(OwnedByOrganisation, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_column"
        id: Mapped[int] = mapped_column(primary_key=True)

    seed = "INSERT INTO decl_mixed_column (id, org_id) VALUES (1, 7), (2, 8)"
    assert names_seen(shared_base.metadata, 7, select(Mixed.id), seed) == [1]


def test_a_model_of_a_marked_mixin_may_be_shared_on_purpose() -> None:
    shared_base = base()

    @tenant_aware
    class OwnedByTenant:
        tenant_id: Mapped[str] = mapped_column(String(50))

    @shared_across_tenants
    class Provider(OwnedByTenant, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_shared"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Other(OwnedByTenant, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_other"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert not is_confined(shared_base.metadata, select(Provider.id))
    assert is_confined(shared_base.metadata, select(Other.id))


def test_a_model_of_a_marked_mixin_may_be_marked_otherwise() -> None:
    shared_base = base()

    @tenant_aware
    class OwnedByTenant:
        tenant_id: Mapped[str] = mapped_column(String(50))

    @tenant_aware(column="org_id")
    class Mixed(OwnedByTenant, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_otherwise"
        id: Mapped[int] = mapped_column(primary_key=True)
        org_id: Mapped[int]

    seed = (
        "INSERT INTO decl_mixed_otherwise (id, tenant_id, org_id) VALUES (1, 'x', 7), (2, 'x', 8)"
    )
    assert names_seen(shared_base.metadata, 7, select(Mixed.id), seed) == [1]


def test_a_mixin_that_is_marked_later_leaves_what_its_model_says() -> None:
    shared_base = base()

    class OwnedByTenant:
        tenant_id: Mapped[str] = mapped_column(String(50))

    @tenant_aware(column="org_id")
    class Mixed(OwnedByTenant, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_before"
        id: Mapped[int] = mapped_column(primary_key=True)
        org_id: Mapped[int]

    tenant_aware(OwnedByTenant)
    seed = "INSERT INTO decl_mixed_before (id, tenant_id, org_id) VALUES (1, 'x', 7), (2, 'x', 8)"
    assert names_seen(shared_base.metadata, 7, select(Mixed.id), seed) == [1]


def test_a_model_of_its_own_mark_cannot_be_marked_otherwise() -> None:
    shared_base = base()

    @tenant_aware
    class Mixed(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_twice"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(50))

    with pytest.raises(ConfigurationError, match="declared twice"):
        shared_across_tenants(Mixed)


def test_an_abstract_base_marks_every_model_made_from_it() -> None:
    shared_base = base()

    @tenant_aware
    class Owned(shared_base):  # type: ignore[misc, valid-type]
        __abstract__ = True
        tenant_id: Mapped[str]

    class Made(Owned):
        __tablename__ = "decl_from_abstract"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert is_confined(shared_base.metadata, select(Made.id))


def test_a_model_of_a_marked_mixin_without_the_column_is_an_error_at_definition() -> None:
    @tenant_aware
    class Marked:
        pass

    with pytest.raises(ConfigurationError, match=r"decl_mixin_lacks.*tenant_id"):

        class Made(Marked, base()):  # type: ignore[misc]
            __tablename__ = "decl_mixin_lacks"
            id: Mapped[int] = mapped_column(primary_key=True)


def test_a_model_of_a_marked_abstract_base_may_be_shared_on_purpose() -> None:
    shared_base = base()

    @tenant_aware
    class Owned(shared_base):  # type: ignore[misc, valid-type]
        __abstract__ = True
        tenant_id: Mapped[str | None]

    table = Table(
        "decl_opted_out",
        shared_base.metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String),
    )
    shared_across_tenants(table)

    class OptedOut(Owned):
        __table__ = table

    assert not is_confined(shared_base.metadata, select(OptedOut))


def test_single_table_subclasses_are_covered_by_their_base() -> None:
    shared_base = base()

    @tenant_aware
    class Paper(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_single"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "paper"}  # noqa: RUF012

    class Contract(Paper):
        __mapper_args__ = {"polymorphic_identity": "contract"}  # noqa: RUF012

    seed = (
        "INSERT INTO decl_single (id, tenant_id, kind) VALUES "
        "(1, 'acme', 'contract'), (2, 'globex', 'contract'), (3, 'acme', 'paper')"
    )
    metadata = shared_base.metadata
    assert names_seen(metadata, "acme", select(Contract.id), seed) == [1]
    assert names_seen(metadata, "acme", select(Paper.id), seed) == [1, 3]


def test_joined_subclasses_are_covered_by_their_base_also_alone() -> None:
    shared_base = base()

    @tenant_aware
    class Party(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_joined"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "party"}  # noqa: RUF012

    class Company(Party):
        __tablename__ = "decl_joined_company"
        id: Mapped[int] = mapped_column(ForeignKey("decl_joined.id"), primary_key=True)
        vat: Mapped[str]
        __mapper_args__ = {"polymorphic_identity": "company"}  # noqa: RUF012

    seed = (
        (
            "INSERT INTO decl_joined (id, tenant_id, kind) VALUES "
            "(1, 'acme', 'company'), (2, 'globex', 'company')"
        ),
        "INSERT INTO decl_joined_company (id, vat) VALUES (1, 'ours'), (2, 'theirs')",
    )
    metadata = shared_base.metadata
    alone = metadata.tables["decl_joined_company"]
    assert names_seen(metadata, "acme", select(Company.vat), *seed) == ["ours"]
    assert names_seen(metadata, "acme", select(alone.c.vat), *seed) == ["ours"]


def test_concrete_subclasses_are_covered_by_their_own_column() -> None:
    shared_base = base()

    @tenant_aware
    class Device(ConcreteBase, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_concrete"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]
        __mapper_args__ = {"polymorphic_identity": "device", "concrete": True}  # noqa: RUF012

    class Printer(Device):
        __tablename__ = "decl_concrete_printer"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]
        __mapper_args__ = {"polymorphic_identity": "printer", "concrete": True}  # noqa: RUF012

    configure_mappers()
    seed = (
        "INSERT INTO decl_concrete VALUES (1, 'acme'), (2, 'globex')",
        "INSERT INTO decl_concrete_printer VALUES (3, 'acme'), (4, 'globex')",
    )
    metadata = shared_base.metadata
    assert names_seen(metadata, "acme", select(Printer.id), *seed) == [3]
    assert names_seen(metadata, "acme", select(Device.id), *seed) == [1, 3]


def test_a_concrete_subclass_without_the_column_is_an_error_at_definition() -> None:
    @tenant_aware
    class Machine(base()):  # type: ignore[misc]
        __tablename__ = "decl_concrete_lacking"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]

    table = Table(
        "decl_concrete_lacking_sub", Machine.metadata, Column("id", Integer, primary_key=True)
    )
    namespace = {"__table__": table, "__mapper_args__": {"concrete": True}}
    with pytest.raises(ConfigurationError, match=r"decl_concrete_lacking_sub.*tenant_id"):
        type("Lathe", (Machine,), namespace)


# -- column= ---------------------------------------------------------------------


def test_the_column_may_have_another_name() -> None:
    metadata = MetaData()
    table = Table("decl_org", metadata, Column("id", Integer), Column("org_id", String))
    tenant_aware(table, column="org_id")
    seed = "INSERT INTO decl_org VALUES (1, 'acme'), (2, 'globex')"
    assert names_seen(metadata, "acme", select(table.c.id), seed) == [1]


@pytest.mark.parametrize("given", ["org", "organisation"])
def test_the_column_may_be_given_by_key_or_by_name(given: str) -> None:
    metadata = MetaData()
    table = Table(
        f"decl_keyed_{given}",
        metadata,
        Column("id", Integer),
        Column("organisation", String, key="org"),
    )
    tenant_aware(table, column=given)
    seed = f"INSERT INTO decl_keyed_{given} VALUES (1, 'acme'), (2, 'globex')"
    assert names_seen(metadata, "acme", select(table.c.id), seed) == [1]


def test_a_renamed_attribute_is_stamped_all_the_same() -> None:
    @tenant_aware(column="organisation")
    class Renamed(base()):  # type: ignore[misc]
        __tablename__ = "decl_attribute"
        id: Mapped[int] = mapped_column(primary_key=True)
        owner: Mapped[str] = mapped_column("organisation")

    engine = memory_engine()
    Renamed.metadata.create_all(engine)
    with tenant_scope("acme"), Session(engine) as session:
        new = Renamed(id=1)
        session.add(new)
        session.commit()
        assert new.owner == "acme"
    assert rows(engine, "SELECT id, organisation FROM decl_attribute") == [(1, "acme")]


def test_a_missing_column_is_an_error_that_shows_the_line_to_add() -> None:
    with pytest.raises(ConfigurationError) as caught:

        @tenant_aware
        class Lacking(base()):  # type: ignore[misc]
            __tablename__ = "decl_lacking"
            id: Mapped[int] = mapped_column(primary_key=True)

    message = str(caught.value)
    assert "decl_lacking" in message
    assert "tenant_id: Mapped[str] = mapped_column(String(255), index=True)" in message
    assert 'tenant_aware(column="...")' in message


def test_a_missing_column_of_another_name_is_shown_under_that_name() -> None:
    table = Table("decl_lacking_org", MetaData(), Column("id", Integer))
    with pytest.raises(ConfigurationError, match=r"org_id: Mapped\[str\] = mapped_column"):
        tenant_aware(table, column="org_id")


@pytest.mark.parametrize("type_", [String(20), Text(), Integer(), Uuid(), Uuid(as_uuid=False)])
def test_the_column_may_be_a_string_an_integer_or_a_uuid(type_: Any) -> None:
    name = f"decl_type_{type(type_).__name__.lower()}_{getattr(type_, 'as_uuid', '')}".lower()
    table = Table(name, MetaData(), Column("id", Integer), Column("tenant_id", type_))
    tenant_aware(table)
    assert is_confined(table.metadata, select(table))


@pytest.mark.parametrize("type_", [LargeBinary(), Numeric()])
def test_a_column_of_another_type_is_an_error_that_lists_the_types(type_: Any) -> None:
    table = Table("decl_wrong_type", MetaData(), Column("tenant_id", type_))
    with pytest.raises(ConfigurationError, match="String, an Integer or a Uuid"):
        tenant_aware(table)


@pytest.mark.parametrize(
    "column",
    [
        Column("tenant_id", String, onupdate="globex"),
        Column("tenant_id", String, Computed("lower(name)")),
    ],
)
def test_a_column_that_changes_by_itself_is_an_error(column: Column[Any]) -> None:
    table = Table("decl_changing", MetaData(), Column("name", String), column)
    with pytest.raises(ConfigurationError, match=r"computed or has an onupdate.*remove it"):
        tenant_aware(table)


# -- through= --------------------------------------------------------------------


def test_a_table_marked_through_its_parent_is_confined_to_its_rows() -> None:
    shared_base = base()

    @tenant_aware
    class Order(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_order"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]

    @tenant_aware(through="decl_order")
    class Line(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_line"
        id: Mapped[int] = mapped_column(primary_key=True)
        order_id: Mapped[int | None] = mapped_column(ForeignKey("decl_order.id"))

    seed = (
        "INSERT INTO decl_order VALUES (1, 'acme'), (2, 'globex')",
        "INSERT INTO decl_line VALUES (11, 1), (12, 2), (13, NULL)",
    )
    assert names_seen(shared_base.metadata, "acme", select(Line.id), *seed) == [11]
    assert Order.metadata is Line.metadata


def test_the_parent_may_be_marked_later() -> None:
    metadata = MetaData()
    parent = Table(
        "decl_late_parent",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String),
    )
    child = Table(
        "decl_early_child",
        metadata,
        Column("id", Integer),
        Column("parent_id", ForeignKey("decl_late_parent.id")),
    )
    tenant_aware(child, through="decl_late_parent")
    tenant_aware(parent)
    assert is_confined(metadata, select(child))


def test_through_without_a_foreign_key_is_an_error_that_names_the_way_out() -> None:
    table = Table("decl_no_key", MetaData(), Column("id", Integer))
    with pytest.raises(ConfigurationError, match=r"no foreign key to 'decl_order'.*tenant column"):
        tenant_aware(table, through="decl_order")


def test_through_a_table_that_is_not_tenant_aware_is_an_error_when_it_is_used() -> None:
    metadata = MetaData()
    parent = Table(
        "decl_plain_parent",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String),
    )
    child = Table(
        "decl_through_plain", metadata, Column("parent_id", ForeignKey("decl_plain_parent.id"))
    )
    tenant_aware(child, through="decl_plain_parent")
    engine = memory_engine()
    try:
        with (
            engine.connect() as connection,
            tenant_scope("acme"),
            pytest.raises(ConfigurationError, match=r"decl_plain_parent.*mark that table too"),
        ):
            connection.execute(select(child))
    finally:
        # The registry is the process's own: leave nothing half declared in it.
        tenant_aware(parent)
    assert is_confined(metadata, select(child))


def test_a_column_and_a_parent_exclude_each_other() -> None:
    table = Table("decl_both", MetaData(), Column("org_id", String))
    with pytest.raises(ConfigurationError, match="a column or a parent, not both"):
        tenant_aware(table, column="org_id", through="decl_order")


# -- check_references= -----------------------------------------------------------


@pytest.mark.parametrize("checked", [True, False])
def test_references_are_looked_up_unless_told_otherwise(checked: bool) -> None:
    metadata = MetaData()
    prefix = f"decl_refs_{checked}".lower()
    parent = Table(
        f"{prefix}_parent",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String),
    )
    child = Table(
        f"{prefix}_child",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String),
        Column("parent_id", ForeignKey(f"{prefix}_parent.id")),
    )
    tenant_aware(parent)
    tenant_aware(child, check_references=checked)
    engine = memory_engine()
    metadata.create_all(engine)
    fill(engine, f"INSERT INTO {prefix}_parent VALUES (2, 'globex')")
    with engine.begin() as connection, tenant_scope("acme"):
        if checked:
            with pytest.raises(CrossTenantAccessError, match=f"{prefix}_parent"):
                connection.execute(insert(child).values(id=1, parent_id=2))
        else:
            connection.execute(insert(child).values(id=1, parent_id=2))
    expected = [] if checked else [(1, "acme", 2)]
    assert rows(engine, f"SELECT * FROM {prefix}_child") == expected


# -- shared_across_tenants -------------------------------------------------------


def test_a_shared_table_works_with_and_without_a_tenant() -> None:
    @shared_across_tenants
    class Currency(base()):  # type: ignore[misc]
        __tablename__ = "decl_currency"
        code: Mapped[str] = mapped_column(primary_key=True)

    engine = memory_engine()
    Currency.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Currency(code="EUR"))
        session.commit()
    with tenant_scope("acme"), Session(engine) as session:
        assert session.scalars(select(Currency.code)).all() == ["EUR"]


def test_shared_across_tenants_works_with_parentheses_and_on_a_table() -> None:
    table = Table("decl_shared_table", MetaData(), Column("id", Integer))
    assert shared_across_tenants()(table) is table
    assert not is_confined(table.metadata, select(table))


def test_a_table_with_a_key_to_a_tenant_aware_one_may_be_shared_on_purpose() -> None:
    metadata = MetaData()
    parent = Table(
        "decl_shared_owner",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String),
    )
    child = Table(
        "decl_shared_child",
        metadata,
        Column("parent_id", ForeignKey("decl_shared_owner.id"), nullable=False),
    )
    tenant_aware(parent)
    shared_across_tenants(child)
    assert not is_confined(metadata, select(child))


@pytest.mark.parametrize("target", ["invoice", 3, object, MetaData()])
def test_shared_across_tenants_marks_nothing_but_classes_and_tables(target: Any) -> None:
    with pytest.raises(ConfigurationError, match="a mapped class or a Table"):
        shared_across_tenants(target)


@pytest.mark.parametrize("target", ["invoice", 3, MetaData()])
def test_tenant_aware_marks_nothing_but_classes_and_tables(target: Any) -> None:
    with pytest.raises(ConfigurationError, match="marks a class or a Table, not a"):
        tenant_aware(target)


# -- contradictions --------------------------------------------------------------


def twofold(name: str) -> Table:
    return Table(
        name,
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String),
        Column("org_id", String),
        Column("parent_id", ForeignKey("decl_order.id")),
    )


def test_the_same_declaration_twice_is_fine() -> None:
    tenant_aware(twofold("decl_same"))
    tenant_aware(twofold("decl_same"))
    shared_across_tenants(twofold("decl_same_shared"))
    shared_across_tenants(twofold("decl_same_shared"))


def test_two_columns_for_one_table_are_an_error() -> None:
    tenant_aware(twofold("decl_two_columns"))
    with pytest.raises(ConfigurationError, match="decl_two_columns is declared twice"):
        tenant_aware(twofold("decl_two_columns"), column="org_id")


def test_a_table_that_was_tenant_aware_cannot_become_shared() -> None:
    tenant_aware(twofold("decl_then_shared"))
    with pytest.raises(ConfigurationError, match="decl_then_shared is declared twice"):
        shared_across_tenants(twofold("decl_then_shared"))
    assert is_confined(MetaData(), select(twofold("decl_then_shared")))


def test_a_table_that_was_shared_cannot_become_tenant_aware() -> None:
    shared_across_tenants(twofold("decl_was_shared"))
    with pytest.raises(ConfigurationError, match="decl_was_shared is declared twice"):
        tenant_aware(twofold("decl_was_shared"))


def test_a_table_with_a_column_cannot_also_go_through_a_parent() -> None:
    tenant_aware(twofold("decl_then_through"))
    with pytest.raises(ConfigurationError, match="decl_then_through is declared twice"):
        tenant_aware(twofold("decl_then_through"), through="decl_order")


def test_the_same_name_in_two_schemas_is_two_tables() -> None:
    first = Table("decl_twice", MetaData(), Column("tenant_id", String), schema="decl_one")
    second = Table("decl_twice", MetaData(), Column("org_id", String), schema="decl_two")
    tenant_aware(first)
    tenant_aware(second, column="org_id")
    assert is_confined(MetaData(), select(first))
    assert is_confined(MetaData(), select(second))


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


def test_a_tenant_column_that_the_database_would_convert_is_refused() -> None:
    class Lower(TypeDecorator[str]):
        impl = String(20)
        cache_ok = True

        def bind_expression(self, bindparam: Any) -> Any:
            return func.lower(bindparam)

    class Outer(TypeDecorator[str]):
        impl = Lower
        cache_ok = True

    for type_ in (Lower(), Outer()):
        table = Table("converted", MetaData(), Column("tenant_id", type_))
        with pytest.raises(ConfigurationError, match="bind_expression"):
            tenant_aware(table)
