"""The overhead of the framework adapters per request, compared with hand-written code.

An application of each framework with one route is called with one request: alone; with the
smallest middleware or hooks that bind the tenant's header to a ``ContextVar``, registered as in
the framework's documentation; and with the adapter. In one process, without a server; each
request gets its own scope or environ, as under a server. Run with ``python -m benchmarks.shims``.
"""

from __future__ import annotations

import asyncio
import time
from contextvars import Token
from typing import Any

from flask import Flask, Response, g, request
from litestar import Litestar, MediaType, get
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from benchmarks.measure import Batch, compare, machine, table
from benchmarks.middleware import ENVIRON, SCOPE, MinimalASGI, MinimalVaryASGI, tenant
from tenantshield_mw import TenantContext, resolvers, try_current_tenant
from tenantshield_mw.adapters.flask import TenantShield
from tenantshield_mw.adapters.litestar import TenantShieldPlugin
from tenantshield_mw.adapters.starlette import install

ROUNDS = 15

RESOLVER = resolvers.header("X-Tenant-ID")
BARE, BY_HAND, BY_HAND_VARY = "bare", "by hand", "by hand with Vary"
SHIM_PLAIN, SHIM = "adapter, vary=()", "adapter"

seen: set[object] = set()
"""The tenants under which the route ran, as bound by hand and by the adapter."""


def served() -> str:
    """Do the work of each route: read the tenant."""
    seen.add((tenant.get(), try_current_tenant()))
    return "ok"


def starlette_app() -> Starlette:
    async def invoices(_: Request) -> PlainTextResponse:
        return PlainTextResponse(served())

    return Starlette(routes=[Route("/invoices", invoices)])


def starlette_apps() -> dict[str, Any]:
    apps = {name: starlette_app() for name in (BARE, BY_HAND, BY_HAND_VARY, SHIM_PLAIN, SHIM)}
    apps[BY_HAND].add_middleware(MinimalASGI)
    apps[BY_HAND_VARY].add_middleware(MinimalVaryASGI)
    install(apps[SHIM_PLAIN], resolve_tenant=RESOLVER, vary=())
    install(apps[SHIM], resolve_tenant=RESOLVER)
    return apps


@get("/invoices", media_type=MediaType.TEXT, sync_to_thread=False)
def litestar_invoices() -> str:
    return served()


def litestar_apps() -> dict[str, Any]:
    def app(**options: Any) -> Litestar:
        return Litestar([litestar_invoices], openapi_config=None, **options)

    return {
        BARE: app(),
        BY_HAND: app(middleware=[MinimalASGI]),
        BY_HAND_VARY: app(middleware=[MinimalVaryASGI]),
        SHIM_PLAIN: app(plugins=[TenantShieldPlugin(resolve_tenant=RESOLVER, vary=())]),
        SHIM: app(plugins=[TenantShieldPlugin(resolve_tenant=RESOLVER)]),
    }


def flask_app() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/invoices", view_func=served)
    return app


def add_hooks(app: Flask, *, vary: bool) -> None:
    """Bind the tenant in Flask's hooks, which do not cover a body that is generated later."""

    @app.before_request
    def bind() -> None:
        g.token = tenant.set(request.headers.get("X-Tenant-ID"))

    @app.teardown_request
    def unbind(_: BaseException | None) -> None:
        token: Token[str | None] = g.token
        tenant.reset(token)

    if vary:

        @app.after_request
        def add_vary(response: Response) -> Response:
            response.vary.add("X-Tenant-ID")
            return response


def flask_apps() -> dict[str, Any]:
    apps = {name: flask_app() for name in (BARE, BY_HAND, BY_HAND_VARY, SHIM_PLAIN, SHIM)}
    add_hooks(apps[BY_HAND], vary=False)
    add_hooks(apps[BY_HAND_VARY], vary=True)
    TenantShield(apps[SHIM_PLAIN], resolve_tenant=RESOLVER, vary=())
    TenantShield(apps[SHIM], resolve_tenant=RESOLVER)
    return apps


async def receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Any) -> None:
    pass


def asgi_batch(loop: asyncio.AbstractEventLoop, app: Any) -> Batch:
    async def requests(repeats: int) -> None:
        for _ in range(repeats):
            # Frameworks write into the scope.
            await app({**SCOPE, "state": {}}, receive, send)

    return lambda repeats: loop.run_until_complete(requests(repeats))


def wsgi_batch(app: Any) -> Batch:
    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        pass

    def requests(repeats: int) -> None:
        for _ in range(repeats):
            body = app(ENVIRON.copy(), start_response)
            for _chunk in body:
                pass
            body.close()

    return requests


def check(batches: dict[str, Batch]) -> None:
    """Check that each application runs under the tenant that its way binds.

    Raises:
        ValueError: one does not.
    """
    expected: dict[str, object] = {
        BARE: (None, None),
        BY_HAND: ("acme", None),
        BY_HAND_VARY: ("acme", None),
    }
    for name, batch in batches.items():
        seen.clear()
        batch(1)
        if seen != {expected.get(name, (None, TenantContext("acme")))}:
            raise ValueError(f"the application of {name!r} ran under another tenant, or not at all")


def report(title: str, batches: dict[str, Batch]) -> None:
    """Print the overhead of each way per request."""
    check(batches)
    medians = compare(batches, rounds=ROUNDS, clock=time.process_time)
    added = {name: median - medians[BARE] for name, median in medians.items()}
    print(f"\n{title}")
    print(
        table(
            ("", "us a request", "us added", "of bare", "times by hand", "with Vary"),
            [
                (
                    name,
                    f"{medians[name] * 1e6:.2f}",
                    "" if name == BARE else f"{each * 1e6:.2f}",
                    "" if name == BARE else f"{each / medians[BARE]:.1%}",
                    "" if name == BARE else f"{each / added[BY_HAND]:.2f}",
                    f"{each / added[BY_HAND_VARY]:.2f}" if name in (BY_HAND_VARY, SHIM) else "",
                )
                for name, each in added.items()
            ],
        )
    )


def main() -> None:
    print(machine())
    print(f"medians of {ROUNDS} rounds, processor time; the header comes last among eleven")
    loop = asyncio.new_event_loop()
    try:
        apps = starlette_apps()
        report("Starlette", {name: asgi_batch(loop, app) for name, app in apps.items()})
        # The plugin takes effect when the application starts.
        apps = litestar_apps()
        for app in apps.values():
            loop.run_until_complete(started(app))
        report("Litestar", {name: asgi_batch(loop, app) for name, app in apps.items()})
    finally:
        loop.close()
    report("Flask", {name: wsgi_batch(app) for name, app in flask_apps().items()})


async def started(app: Litestar) -> None:
    """Run the application's lifespan; the adapter's changes at startup remain."""
    async with app.lifespan():
        pass


if __name__ == "__main__":
    main()
