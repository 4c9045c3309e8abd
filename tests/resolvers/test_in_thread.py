"""Resolvers that run in a thread."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tenantshield_mw import ConfigurationError, TenantSessionMiddlewareWSGI, resolvers
from tests.core.calling import Seen, as_environ, call_wsgi

from .asking import asked, says_later
from .sending import (
    Cases,
    Outcome,
    Sent,
    assert_outcome,
    at,
    each_case,
    malformed,
    missing,
    ran,
    with_,
)

CASES: Cases = {
    "in a thread": (
        resolvers.in_thread(
            resolvers.first_of(resolvers.header("X-Tenant-ID"), resolvers.path_prefix())
        ),
        [
            (with_(x_tenant_id="acme"), ran("acme")),
            (at("/t/acme/x"), ran("acme", "/t/acme")),
            (with_(x_tenant_id=""), malformed),
            (with_(), missing),
        ],
    ),
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)


async def test_in_thread_runs_off_the_event_loop() -> None:
    threads: list[int] = []

    def resolver(request: Any) -> str:
        threads.append(threading.get_ident())
        return "acme"

    assert await asked(resolvers.in_thread(resolver)) == "acme"
    assert threads != [threading.get_ident()]


async def test_threads_do_not_wait_for_each_other() -> None:
    both = threading.Barrier(2)

    def resolver(request: Any) -> str:
        both.wait(30)
        return "acme"

    waiting = resolvers.in_thread(resolver)
    assert list(await asyncio.gather(asked(waiting), asked(waiting))) == ["acme", "acme"]


def test_in_thread_calls_the_resolver_as_it_is_in_wsgi() -> None:
    threads: list[int] = []

    def resolver(request: Any) -> str:
        threads.append(threading.get_ident())
        return "acme"

    seen = Seen()
    call_wsgi(
        TenantSessionMiddlewareWSGI(seen.wsgi, resolve_tenant=resolvers.in_thread(resolver)),
        as_environ(),
    )
    assert threads == [threading.get_ident()]
    assert seen.ids == ["acme"]


def test_in_thread_refuses_an_async_resolver_or_one_that_is_not_callable() -> None:
    resolver: Any
    for resolver in (None, says_later("acme")):
        with pytest.raises(ConfigurationError):
            resolvers.in_thread(resolver)
