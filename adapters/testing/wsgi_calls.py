"""Call a WSGI application like a server, without one (PEP 3333)."""

from __future__ import annotations

import sys
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import setup_testing_defaults

from tenantshield_mw.context import bind, unbind

from .requests import Answer, Call, Request

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

__all__ = ["wsgi_call"]


def wsgi_call(app: WSGIApplication) -> Call:
    """Return a function that sends a request to ``app``, outside of every tenant's scope."""

    def call(request: Request) -> Answer:
        binding = bind(None)
        try:
            return _answer(app, _environ(request))
        # The sweep goes on, and reports it.
        except Exception as error:  # noqa: BLE001
            return Answer(500, (), b"", type(error).__name__)
        finally:
            unbind(binding)

    return call


def _answer(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    started: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        started.append((status, headers))
        return written.append

    body: Any = app(environ, start_response)
    try:
        written += body
    finally:
        if hasattr(body, "close"):
            body.close()
    status, headers = started[-1]
    lower = tuple((name.lower(), value) for name, value in headers)
    return Answer(int(status[:3]), lower, b"".join(written))


def _environ(request: Request) -> WSGIEnvironment:
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "QUERY_STRING": request.query_string,
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": BytesIO(request.content),
        "wsgi.errors": StringIO() if sys.stderr is None else sys.stderr,
    }
    if request.content:
        environ["CONTENT_TYPE"] = request.content_type
        environ["CONTENT_LENGTH"] = str(len(request.content))
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        is_plain = key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        environ[key if is_plain else f"HTTP_{key}"] = value
    setup_testing_defaults(environ)
    return environ
