"""The words for scopes in messages name no tenant and keep two scopes apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tenantshield_mw import (
    MissingTenantContextError,
    TenantContext,
    TenantSessionMiddleware,
    current_tenant,
    resolvers,
)
from tenantshield_mw.context import SystemContext
from tenantshield_mw.messages import describe

from .calling import call_asgi, http_scope

ACME, GLOBEX = TenantContext("acme"), TenantContext("globex")
SYSTEM = SystemContext("test")


@pytest.mark.parametrize(
    ("beside", "bound", "words"),
    [
        (None, None, "no scope"),
        (None, ACME, "one tenant's scope"),
        (ACME, GLOBEX, "another tenant's scope"),
        (ACME, TenantContext("acme"), "that scope at another place"),
        (ACME, SYSTEM, "a system scope"),
        (SYSTEM, ACME, "one tenant's scope"),
        (SYSTEM, SystemContext("test", at="there"), "another system scope"),
    ],
)
def test_two_scopes_are_told_apart(beside: Any, bound: Any, words: str) -> None:
    assert describe(bound, beside) == words


def test_outside_of_a_request_the_middleware_is_named() -> None:
    with pytest.raises(MissingTenantContextError, match="wrap the app in TenantSessionMiddleware"):
        current_tenant()


async def test_inside_the_middleware_what_binds_later_is_named() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        current_tenant()

    wrapped: Callable[..., Any] = TenantSessionMiddleware(
        app, resolve_tenant=resolvers.bound_later()
    )
    with pytest.raises(MissingTenantContextError) as caught:
        await call_asgi(wrapped, http_scope())
    assert "missing or comes too late" in str(caught.value)
    assert "wrap the app" not in str(caught.value)
