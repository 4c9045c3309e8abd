"""``tenantshield-mw prove``: on the examples' models, on others, and with planted leaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from examples.invoices.models import Base as Invoices
from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.prove import Outcome, prove
from tenantshield_mw.adapters.sqlalchemy.rls import create_policies
from tests.databases import NAMES, Database, database
from tests.policy_database import PolicyDatabase, policy_database

CURSOR = "cursor.execute(SELECT)"


def leaks(found: list[Outcome]) -> list[tuple[str, str]]:
    return [
        (each.table, each.way)
        for each in found
        if each.verdict in ("leak", "error") and not each.is_open
    ]


@pytest.fixture(params=NAMES)
def db(request: pytest.FixtureRequest) -> Iterator[Database]:
    with database(request.param) as here:
        yield here


def test_the_examples_models_are_tight(db: Database) -> None:
    engine = create_engine(db.url)
    found = prove(engine, Invoices.metadata, Invoices.registry.mappers)
    assert leaks(found) == []
    verdicts = {(each.way, each.verdict) for each in found if each.table == "invoice"}
    assert {("select()", "confined"), ("text(SELECT)", "refused")} <= verdicts
    assert {("Session.get()", "confined"), ("insert(their tenant)", "refused")} <= verdicts
    assert {("insert(customer_id of theirs)", "refused"), (CURSOR, "leak")} <= verdicts
    assert {each.table for each in found} == {"customer", "invoice"}
    # Nothing is left, so it can be run again.
    assert prove(engine, Invoices.metadata, Invoices.registry.mappers) == found
    engine.dispose()


def test_it_wants_no_rows_and_all_tables_or_none(db: Database) -> None:
    engine = create_engine(db.url)
    customer: Any = Invoices.metadata.tables["customer"]
    customer.create(engine)
    with pytest.raises(ConfigurationError, match="has some of the tables"):
        prove(engine, Invoices.metadata)
    Invoices.metadata.create_all(engine)
    assert leaks(prove(engine, Invoices.metadata, Invoices.registry.mappers)) == []
    db.run("INSERT INTO customer (id, tenant_id, name) VALUES (1, 'a', 'b')")
    with pytest.raises(ConfigurationError, match="customer has rows"):
        prove(engine, Invoices.metadata)
    engine.dispose()


class Strange(UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        return "TEXT"


class Odd(DeclarativeBase):
    pass


@tenant_aware
class Told(Odd):
    __tablename__ = "prove_told"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(4))
    strange: Mapped[Any] = mapped_column(Strange)


class Undeclared(Odd):
    __tablename__ = "prove_undeclared"
    id: Mapped[int] = mapped_column(primary_key=True)
    secret: Mapped[str]


def test_what_cannot_be_tried_is_no_success() -> None:
    engine = create_engine("sqlite://")
    found = prove(engine, Odd.metadata, Odd.registry.mappers)
    assert [(each.table, each.way, each.verdict) for each in found] == [
        ("prove_told", "", "error"),
        ("prove_undeclared", "", "leak"),
    ]
    assert "strange is a Strange()" in found[0].detail
    assert "it is not declared" in found[1].detail
    engine.dispose()


# -- policies ------------------------------------------------------------------------


@pytest.fixture
def policies() -> Iterator[PolicyDatabase]:
    with policy_database() as here:
        assert isinstance(here, PolicyDatabase)
        here.run(f"ALTER ROLE {here.owner} LOGIN")
        yield here


def engines(policies: PolicyDatabase) -> tuple[Engine, Engine]:
    app, owner = (
        create_engine(policies.url.set(username=role)) for role in (policies.app, policies.owner)
    )
    return app, owner


def test_policies_close_the_way_of_the_cursor(policies: PolicyDatabase) -> None:
    app, owner = engines(policies)
    options: Any = {"owner": owner, "system_role": policies.system}
    Invoices.metadata.create_all(owner)
    with owner.begin() as connection:
        create_policies(connection, Invoices.metadata)
    policies.grant()
    found = prove(app, Invoices.metadata, Invoices.registry.mappers, **options)
    assert leaks(found) == []
    assert (CURSOR, "confined") in {(each.way, each.verdict) for each in found}
    app.dispose()
    owner.dispose()


def test_tables_that_are_created_get_policies_and_grants(policies: PolicyDatabase) -> None:
    app, owner = engines(policies)
    options: Any = {"owner": owner, "system_role": policies.system}
    found = prove(app, Invoices.metadata, Invoices.registry.mappers, **options)
    assert leaks(found) == []
    assert (CURSOR, "confined") in {(each.way, each.verdict) for each in found}
    app.dispose()
    owner.dispose()


def test_what_a_role_may_not_read_at_all_proves_nothing(policies: PolicyDatabase) -> None:
    app, owner = engines(policies)
    Invoices.metadata.create_all(owner)
    with owner.begin() as connection:
        create_policies(connection, Invoices.metadata)
    policies.grant()
    policies.run(f"REVOKE ALL ON customer FROM {policies.app}")
    found = prove(app, Invoices.metadata, (), system_role=policies.system)
    assert leaks(found) == [("customer", "")]
    assert "permission denied" in found[0].detail
    app.dispose()
    owner.dispose()


def test_a_policy_that_is_missing_is_found(policies: PolicyDatabase) -> None:
    app, owner = engines(policies)
    Invoices.metadata.create_all(owner)
    with owner.begin() as connection:
        create_policies(connection, Invoices.metadata)
    policies.grant()
    policies.run("ALTER TABLE customer DISABLE ROW LEVEL SECURITY")
    found = prove(app, Invoices.metadata, (), system_role=policies.system)
    assert leaks(found) == [("customer", CURSOR)]
    app.dispose()
    owner.dispose()
