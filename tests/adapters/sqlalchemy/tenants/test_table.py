"""Commands find the table that a lookup queries."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tenantshield_mw import TenantState
from tenantshield_mw.adapters.sqlalchemy import tenants_in
from tenantshield_mw.adapters.sqlalchemy.tenants.table import table_of
from tests.databases import memory_engine

from .directory import State, Tenant


@pytest.mark.parametrize("in_thread", [False, True])
def test_what_the_lookup_was_given_is_found(*, in_thread: bool) -> None:
    engine = memory_engine()
    lookup = tenants_in(
        engine,
        Tenant,
        id=Tenant.slug,
        state=Tenant.state,
        states={State.LIVE: TenantState.ACTIVE},
        tenant_id=Tenant.id,
        attributes=[Tenant.number],
        in_thread=in_thread,
    )
    table = table_of(lookup)
    assert table is not None
    assert (table.source, table.tenants, table.id) == (engine, Tenant, Tenant.slug)
    assert table.states == ((State.LIVE, TenantState.ACTIVE),)
    assert (table.tenant_id, table.attributes) == (Tenant.id, (Tenant.number,))


@pytest.mark.parametrize("lookup", [None, 5, {}, [].append, partial(dict)])
def test_another_lookup_has_no_table(lookup: Any) -> None:
    assert table_of(lookup) is None
