from __future__ import annotations

from tenantshield_mw import TenantContext, TenantState

from .sending import Sent


def at(target: str) -> Sent:
    return Sent(target.encode())


STATES = {
    "acme": TenantContext("acme", {"plan": "gold"}),
    "number": TenantContext(7),
    "active": TenantState.ACTIVE,
    "suspended": TenantState.SUSPENDED,
    "unknown": TenantState.UNKNOWN,
}
