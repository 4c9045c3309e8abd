"""Without protection, each way reaches the other tenant; otherwise it would prove nothing."""

from __future__ import annotations

from sqlalchemy import create_engine

from examples.invoices.models import Base, Invoice
from tenantshield_mw.adapters.sqlalchemy.prove import prove
from tenantshield_mw.adapters.sqlalchemy.prove.ways import ways_for


def test_each_way_reaches_the_other_tenant_without_protection() -> None:
    engine = create_engine("sqlite://")
    found = prove(engine, Base.metadata, Base.registry.mappers)
    assert [each for each in found if each.verdict == "n/a"] == []
    engine.dispose()


def test_there_are_ways_for_each_reference() -> None:
    table = Invoice.__table__
    references = [each for each in table.foreign_key_constraints if "customer_id" in each.columns]  # type: ignore[attr-defined]
    names = [each.name for each in ways_for(references)]
    assert len(names) == len(set(names)) == 40
    assert {"insert(customer_id of theirs)", "Session.add(customer_id of theirs)"} <= {*names}
    assert [each.name for each in ways_for([]) if each.is_open] == ["cursor.execute(SELECT)"]
