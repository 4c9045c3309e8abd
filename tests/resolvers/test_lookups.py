"""The lookup of a resolver may be async in ASGI, and not in WSGI."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from tenantshield_mw import (
    ConfigurationError,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    resolvers,
)
from tests.core.calling import Seen, as_environ, call_asgi, call_wsgi, http_scope

from .asking import says_later


@pytest.mark.parametrize("later", [False, True])
async def test_lookups_may_be_async_in_asgi(later: bool) -> None:
    def lookup_in(found: dict[str, str]) -> Any:
        async def lookup(name: str) -> Any:
            await asyncio.sleep(0)
            return found.get(name)

        return lookup if later else found.get

    scope = http_scope(headers=[(b"host", b"shop.acme.test"), (b"x-api-key", b"key")])
    digest = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"
    for resolver, status in (
        (resolvers.domain(lookup_in({"shop.acme.test": "acme"})), 200),
        (resolvers.domain(lookup_in({})), 400),
        (resolvers.api_key("X-API-Key", lookup_in({digest: "acme"})), 200),
        (resolvers.api_key("X-API-Key", lookup_in({})), 401),
    ):
        seen = Seen()
        app = TenantSessionMiddleware(seen.asgi, resolve_tenant=resolver)
        assert (await call_asgi(app, scope)).status == status
        assert seen.ids == (["acme"] if status == 200 else [])


def test_an_async_lookup_is_refused_in_wsgi() -> None:
    for resolver in (
        resolvers.domain(says_later("acme")),
        resolvers.api_key("X-API-Key", says_later("acme")),
    ):
        app = TenantSessionMiddlewareWSGI(Seen().wsgi, resolve_tenant=resolver)
        with pytest.raises(ConfigurationError, match="sync resolver"):
            call_wsgi(app, as_environ(HTTP_HOST="acme.test", HTTP_X_API_KEY="key"))
    gc.collect()
