"""Resolvers that combine others, sync and async."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from tenantshield_mw import (
    ConfigurationError,
    TenantContext,
    TenantNotFoundError,
    TenantSessionMiddlewareWSGI,
    resolvers,
)
from tests.core.calling import Seen, as_environ, call_wsgi

from .asking import ACME, GLOBEX, NOTHING, asked, says, says_later

UNKNOWN = TenantNotFoundError("unknown")


@pytest.mark.parametrize(
    ("answers", "first", "agreed"),
    [
        ([NOTHING], "tenant_missing", "tenant_missing"),
        ([NOTHING, NOTHING, NOTHING], "tenant_missing", "tenant_missing"),
        ([ACME], "acme", "acme"),
        ([NOTHING, ACME, NOTHING], "acme", "acme"),
        ([ACME, ACME, TenantContext("acme")], "acme", "acme"),
        ([ACME, GLOBEX], "acme", "tenant_malformed"),
        ([GLOBEX, NOTHING, ACME], "globex", "tenant_malformed"),
        ([7, "7"], 7, "tenant_malformed"),
        ([UNKNOWN, ACME], "tenant_unknown", "tenant_unknown"),
        ([NOTHING, UNKNOWN], "tenant_unknown", "tenant_unknown"),
        ([ACME, UNKNOWN], "acme", "tenant_unknown"),
        (["", ACME], "tenant_malformed", "tenant_malformed"),
        ([ACME, ""], "acme", "tenant_malformed"),
    ],
)
async def test_sync_and_async_resolvers_mix(answers: list[Any], first: Any, agreed: Any) -> None:
    for number in range(2 ** len(answers)):
        combined = [
            (says_later if number >> place & 1 else says)(answer)
            for place, answer in enumerate(answers)
        ]
        assert await asked(resolvers.first_of(*combined)) == first
        assert await asked(resolvers.agree(*combined)) == agreed


@pytest.mark.parametrize("combine", [resolvers.first_of, resolvers.agree])
def test_an_async_resolver_among_others_is_refused_in_wsgi(combine: Any) -> None:
    app = TenantSessionMiddlewareWSGI(
        Seen().wsgi, resolve_tenant=combine(says(None), says_later("acme"))
    )
    with pytest.raises(ConfigurationError, match="sync resolver"):
        call_wsgi(app, as_environ())
    gc.collect()


@pytest.mark.parametrize("combine", [resolvers.first_of, resolvers.agree])
def test_a_combination_without_resolvers_is_refused(combine: Any) -> None:
    for combined in ((), (None,), (says(None), "X-Tenant-ID")):
        with pytest.raises(ConfigurationError):
            combine(*combined)


@pytest.mark.parametrize(
    ("answers", "agreed"),
    [
        ([NOTHING], "tenant_missing"),
        ([NOTHING, ACME], "tenant_missing"),
        ([ACME, NOTHING], "tenant_missing"),
        ([ACME, NOTHING, ACME], "tenant_missing"),
        ([NOTHING, ACME, ACME], "tenant_missing"),
        ([ACME, TenantContext("acme"), ACME], "acme"),
        ([ACME, GLOBEX], "tenant_malformed"),
        ([NOTHING, ACME, GLOBEX], "tenant_malformed"),
        ([NOTHING, UNKNOWN], "tenant_unknown"),
    ],
)
async def test_every_resolver_must_name_the_tenant_if_asked_for(
    answers: list[Any], agreed: Any
) -> None:
    for number in range(2 ** len(answers)):
        combined = [
            (says_later if number >> place & 1 else says)(answer)
            for place, answer in enumerate(answers)
        ]
        assert await asked(resolvers.agree(*combined, every=True)) == agreed


def test_every_resolver_must_name_the_tenant_in_wsgi() -> None:
    app = Seen()
    for answers in (("acme", None), (None, "acme")):
        combined = resolvers.agree(*map(says, answers), every=True)
        response = call_wsgi(
            TenantSessionMiddlewareWSGI(app.wsgi, resolve_tenant=combined), as_environ()
        )
        assert response.status == 400
    assert app.tenants == []


def test_every_is_a_bool() -> None:
    every: Any = says(None)
    with pytest.raises(ConfigurationError, match="every"):
        resolvers.agree(says(None), every=every)
