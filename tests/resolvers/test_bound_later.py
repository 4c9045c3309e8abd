"""No tenant until the application binds one: every request runs."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw import (
    ConfigurationError,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    resolvers,
)

from ..core.calling import Seen
from .sending import Cases, Outcome, Sent, assert_outcome, each_case, missing, ran, with_

HEADER = resolvers.header("X-Tenant-ID")

CASES: Cases = {
    "bound later": (
        resolvers.bound_later(),
        [(with_(), ran(None)), (with_(authorization="Bearer x", cookie="tenant=acme"), ran(None))],
    ),
    # It is for use on its own. Beside others it names no tenant, so the request is refused.
    "first of": (resolvers.first_of(HEADER, resolvers.bound_later()), [(with_(), missing)]),
    "agree": (resolvers.agree(HEADER, resolvers.bound_later()), [(with_(), missing)]),
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)


@pytest.mark.parametrize("option", ["directory", "authorize"])
@pytest.mark.parametrize("middleware", [TenantSessionMiddleware, TenantSessionMiddlewareWSGI])
def test_what_is_asked_before_the_app_runs_is_refused(middleware: Any, option: str) -> None:
    options: Any = {option: lambda *_: True}
    with pytest.raises(ConfigurationError, match="bound_later"):
        middleware(Seen().asgi, resolve_tenant=resolvers.bound_later(), **options)
