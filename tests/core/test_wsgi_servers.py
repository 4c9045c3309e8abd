"""The WSGI middleware between validators, and on real servers."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.simple_server import make_server as make_wsgiref_server
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest
from werkzeug.middleware.lint import LintMiddleware
from werkzeug.serving import WSGIRequestHandler as WerkzeugRequestHandler
from werkzeug.serving import make_server as make_werkzeug_server
from werkzeug.test import create_environ

from .calling import as_environ, call_wsgi
from .wsgi_calls import ACME, Body, around, tenant_bytes

TEXT = [("Content-Type", "text/plain; charset=utf-8")]


def list_app(environ: Any, start_response: Any) -> Iterable[bytes]:
    body = tenant_bytes()
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
    return [body]


def generator_app(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    for _ in range(3):
        yield tenant_bytes()


def body_app(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return Body()


def write_app(environ: Any, start_response: Any) -> Iterable[bytes]:
    write = start_response("200 OK", TEXT)
    write(tenant_bytes())
    return [b"!"]


def error_app(environ: Any, start_response: Any) -> Iterable[bytes]:
    import sys

    start_response("200 OK", TEXT)
    try:
        raise LookupError
    except LookupError:
        start_response("500 Internal Server Error", TEXT, sys.exc_info())
    return [tenant_bytes()]


def file_app(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    return environ.get("wsgi.file_wrapper", FileWrapper)(BytesIO(b"file of " + tenant_bytes()))


APPS: list[tuple[Any, int, bytes]] = [
    (list_app, 200, b"acme"),
    (generator_app, 200, b"acmeacmeacme"),
    (body_app, 200, b"ab"),
    (write_app, 200, b"acme!"),
    (error_app, 500, b"acme"),
    (file_app, 200, b"file of acme"),
]


@pytest.mark.parametrize(("app", "status", "body"), APPS)
def test_clean_under_wsgiref_validate_inside_and_outside(
    app: Any, status: int, body: bytes
) -> None:
    checked = validator(around(validator(app)))
    response = call_wsgi(checked, as_environ(headers=ACME))
    assert (response.status, response.body) == (status, body)


@pytest.mark.parametrize(("app", "status", "body"), APPS)
def test_clean_under_werkzeugs_lint_inside_and_out(app: Any, status: int, body: bytes) -> None:
    checked = LintMiddleware(around(LintMiddleware(app)))
    response = call_wsgi(checked, create_environ(headers={"X-Tenant-ID": "acme"}))
    assert (response.status, response.body) == (status, body)


def test_a_refusal_is_clean_under_both() -> None:
    # Werkzeug's does not know that a response to HEAD has the length and not the body.
    for checked, method in (
        (validator(around(list_app)), "GET"),
        (validator(around(list_app)), "HEAD"),
        (LintMiddleware(around(list_app)), "GET"),
    ):
        assert call_wsgi(checked, as_environ(REQUEST_METHOD=method)).status == 400


@contextmanager
def serving(server: Any) -> Generator[int, None, None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class QuietWsgirefHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


class QuietWerkzeugHandler(WerkzeugRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        pass


def wsgiref_server(app: Any) -> Any:
    return make_wsgiref_server("127.0.0.1", 0, app, handler_class=QuietWsgirefHandler)


def werkzeug_server(app: Any) -> Any:
    return make_werkzeug_server(
        "127.0.0.1", 0, app, threaded=True, request_handler=QuietWerkzeugHandler
    )


def answer(port: int, *headers: tuple[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.putrequest("GET", "/")
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("make_server", [wsgiref_server, werkzeug_server])
@pytest.mark.parametrize(("app", "status", "body"), [*APPS[:3], APPS[5]])
def test_on_a_real_server_requests_are_bound_or_refused(
    make_server: Any, app: Any, status: int, body: bytes
) -> None:
    with serving(make_server(around(app))) as port:
        assert answer(port, ("X-Tenant-ID", "acme")) == (status, body)
        globex = body.replace(b"acme", b"globex")
        assert answer(port, ("x-tenant-id", "globex")) == (status, globex)
        twice = (("X-Tenant-ID", "acme"), ("X-Tenant-ID", "acme"))
        assert answer(port, *twice) == (status, body)
        for refused in ((), (("X-Tenant-ID", "acme"), ("X-Tenant-ID", "globex"))):
            assert answer(port, *refused)[0] == 400


def test_gunicorn_and_the_like_drop_a_name_with_underscores() -> None:
    with serving(werkzeug_server(around(list_app))) as port:
        assert answer(port, ("X_Tenant_ID", "globex"), ("X-Tenant-ID", "acme")) == (200, b"acme")
        assert answer(port, ("X_Tenant_ID", "globex"))[0] == 400


def test_a_name_with_underscores_that_contradicts_the_header_is_refused_elsewhere() -> None:
    with serving(wsgiref_server(around(list_app))) as port:
        assert answer(port, ("X_Tenant_ID", "globex"), ("X-Tenant-ID", "acme"))[0] == 400
