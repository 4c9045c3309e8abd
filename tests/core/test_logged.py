"""Errors while finding the tenant, which the client does not see, are logged."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import ExitStack
from typing import Any

import pytest

from tenantshield_mw import (
    MissingTenantContextError,
    TenantResolutionError,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    TenantUnavailableError,
    resolvers,
)

from .calling import Seen, as_environ, call_asgi, call_wsgi, http_scope

# Short, since the awaited event never happens in time.
SOON = 0.02


def raising(error: Exception) -> Any:
    def resolver(request: Any) -> Any:
        raise error

    return resolver


async def statuses(**options: Any) -> list[int]:
    """Return how both middlewares answer a request."""
    over_asgi = TenantSessionMiddleware(Seen().asgi, **options)
    over_wsgi = TenantSessionMiddlewareWSGI(Seen().wsgi, **options)
    return [
        (await call_asgi(over_asgi, http_scope())).status,
        call_wsgi(over_wsgi, as_environ()).status,
    ]


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, str]]:
    return [entry for entry in caplog.record_tuples if entry[0] == "tenantshield_mw"]


def causes(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record.exc_info[1] for record in caplog.records if record.exc_info]


UNAVAILABLE = ("tenantshield_mw", logging.WARNING, "refused with 503 tenant_unavailable")


@pytest.mark.parametrize("error", [TimeoutError("pool x"), TenantUnavailableError("pool x")])
@pytest.mark.parametrize("by", ["resolve_tenant", "directory", "authorize"])
async def test_a_tenant_that_is_unavailable_is_logged_with_the_cause(
    by: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*arguments: Any) -> Any:
        raise error

    options: Any = {"resolve_tenant": lambda request: "acme", by: fails}
    assert await statuses(**options) == [503, 503]
    assert logged(caplog) == [UNAVAILABLE] * 2
    assert causes(caplog) == [error] * 2


async def test_a_timeout_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def never(scope: Any) -> Any:
        await asyncio.Event().wait()

    app = TenantSessionMiddleware(Seen().asgi, resolve_tenant=never, timeout=SOON)
    assert (await call_asgi(app, http_scope())).status == 503
    assert logged(caplog) == [UNAVAILABLE]
    assert [type(cause) for cause in causes(caplog)] == [TimeoutError]


async def test_an_error_of_the_client_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tenantshield_mw")
    assert await statuses(resolve_tenant=raising(TenantResolutionError("x"))) == [400, 400]
    assert await statuses(resolve_tenant=lambda request: None) == [400, 400]
    assert logged(caplog) == []


async def test_an_error_that_is_raised_to_the_server_is_not_logged_as_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for error, raised in (
        (TimeoutError(), TenantUnavailableError),
        (MissingTenantContextError(), MissingTenantContextError),
    ):
        with pytest.raises(raised):
            await statuses(resolve_tenant=raising(error), on_missing_tenant="raise")
    assert logged(caplog) == []


class Late:
    """A resolver that returns when it is released."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked, self.let_go = threading.Event(), threading.Event()

    def __call__(self, request: Any) -> Any:
        self.asked.set()
        assert self.let_go.wait(60)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def refused_by_wsgi(late: Late) -> None:
    """Let a request be refused before ``late`` answers, then wait for it."""
    app = TenantSessionMiddlewareWSGI(Seen().wsgi, resolve_tenant=late, timeout=SOON)
    with ExitStack() as stack:
        stack.callback(late.let_go.set)
        assert call_wsgi(app, as_environ()).status == 503
        threads = [each for each in threading.enumerate() if "resolver" in each.name]
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_an_error_that_comes_too_late_in_wsgi_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    error = RuntimeError("lost for ever")
    refused_by_wsgi(Late(error))
    message = "finding the tenant failed after its request was refused"
    assert logged(caplog) == [UNAVAILABLE, ("tenantshield_mw", logging.WARNING, message)]
    assert causes(caplog)[1:] == [error]


def test_an_answer_that_comes_too_late_in_wsgi_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tenantshield_mw")
    refused_by_wsgi(Late("acme"))
    message = "the tenant was found after its request was refused"
    assert logged(caplog) == [UNAVAILABLE, ("tenantshield_mw", logging.INFO, message)]


async def test_an_error_that_comes_too_late_in_a_thread_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    late = Late(error := RuntimeError("lost for ever"))
    app = TenantSessionMiddleware(Seen().asgi, resolve_tenant=resolvers.in_thread(late))
    with ExitStack() as stack:
        stack.callback(late.let_go.set)
        request = asyncio.create_task(call_asgi(app, http_scope()))
        assert await asyncio.to_thread(late.asked.wait, 60)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    await asyncio.get_running_loop().shutdown_default_executor()
    message = "a resolver failed after its request had ended"
    assert logged(caplog) == [("tenantshield_mw", logging.WARNING, message)]
    assert causes(caplog) == [error]


async def test_an_error_in_a_thread_that_is_waited_for_is_raised_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = TenantSessionMiddleware(
        Seen().asgi, resolve_tenant=resolvers.in_thread(raising(RuntimeError("for the server")))
    )
    with pytest.raises(RuntimeError, match="for the server"):
        await call_asgi(app, http_scope())
    assert logged(caplog) == []
