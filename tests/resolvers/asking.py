"""Resolvers with a given answer, and what comes of one."""

from __future__ import annotations

import asyncio
from typing import Any

from tenantshield_mw import TenantContext, TenantSessionMiddleware
from tests.core.calling import Seen, call_asgi, http_scope


def says(answer: Any) -> Any:
    def resolver(request: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return resolver


def says_later(answer: Any) -> Any:
    async def resolver(request: Any) -> Any:
        await asyncio.sleep(0)
        return says(answer)(request)

    return resolver


async def asked(resolver: Any) -> Any:
    """Return the ASGI middleware's result for a resolver: a tenant id, or the status."""
    seen = Seen()
    response = await call_asgi(
        TenantSessionMiddleware(seen.asgi, resolve_tenant=resolver), http_scope()
    )
    return seen.ids[0] if seen.tenants else response.problem["code"]


NOTHING, ACME, GLOBEX = None, "acme", TenantContext("globex")
