"""A directory with tenants in each state."""

from __future__ import annotations

import asyncio

from tenantshield_mw import TenantContext, TenantId, TenantState

__all__ = ["alook_up", "look_up"]


def look_up(tenant_id: TenantId) -> TenantContext | TenantState:
    if tenant_id == "acme":
        return TenantContext("acme", {"plan": "large"})
    if tenant_id == "other":
        return TenantContext("acme")
    if tenant_id == "broken":
        raise OSError("no database")
    return TenantState.SUSPENDED if tenant_id == "suspended" else TenantState.UNKNOWN


async def alook_up(tenant_id: TenantId) -> TenantContext | TenantState:
    await asyncio.sleep(0)
    return look_up(tenant_id)
