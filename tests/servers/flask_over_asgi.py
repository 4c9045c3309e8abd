"""The Flask example as an ASGI application, through the two usual bridges."""

from __future__ import annotations

from typing import Any

from examples.flask.app import create_app

__all__ = ["by_a2wsgi", "by_asgiref"]


def by_a2wsgi() -> Any:
    from a2wsgi import WSGIMiddleware

    bridge: Any = WSGIMiddleware
    return bridge(create_app())


def by_asgiref() -> Any:
    from asgiref.wsgi import WsgiToAsgi

    bridge: Any = WsgiToAsgi(create_app())  # type: ignore[no-untyped-call]
    return bridge
