"""A web application that enqueues jobs: ``python -m tests.jobs.web APPLICATION``."""

from __future__ import annotations

import inspect
import socket
import sys
from importlib import import_module
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tenantshield_mw import MissingTenantContextError, resolvers
from tenantshield_mw.adapters.starlette import install


def make_app(application: Any) -> Starlette:
    async def enqueue(request: Request) -> PlainTextResponse:
        number = request.path_params["number"]
        is_killed = request.url.path.startswith("/killed")
        try:
            sent = application.enqueue(number, is_killed)
            if inspect.isawaitable(sent):
                await sent
        except MissingTenantContextError as error:
            return PlainTextResponse(str(error), status_code=422)
        return PlainTextResponse("enqueued")

    def enqueue_bare(request: Request) -> PlainTextResponse:
        application.enqueue_bare(request.path_params["number"])
        return PlainTextResponse("enqueued")

    app = Starlette(
        routes=[
            Route("/work/{number:int}", enqueue, methods=["POST"]),
            Route("/killed/{number:int}", enqueue, methods=["POST"]),
            Route("/exempt/work/{number:int}", enqueue, methods=["POST"]),
            Route("/exempt/bare/{number:int}", enqueue_bare, methods=["POST"]),
        ]
    )
    install(app, resolve_tenant=resolvers.header("X-Tenant-ID", type=int), exempt=["/exempt"])
    return app


def main() -> None:
    app = make_app(import_module(f"tests.jobs.{sys.argv[1]}_app"))
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listening])


if __name__ == "__main__":
    main()
