"""Calling WSGI applications without a server."""

from __future__ import annotations

from typing import Any
from wsgiref.validate import validator

from tenantshield_mw.adapters.testing.requests import Answer, Request
from tenantshield_mw.adapters.testing.wsgi_calls import wsgi_call


def test_the_environ_is_a_servers() -> None:
    seen: dict[str, Any] = {}

    def app(environ: Any, start_response: Any) -> Any:
        seen.update(environ, body=environ["wsgi.input"].read(9))
        write = start_response("201 Created", [("Content-Type", "text/plain")])
        write(b"a")
        return [b"b"]

    request = Request("POST", "/%C3%A9%20x", {"q": "y"}, {"n": 1}, headers={"X-Tenant-ID": "acme"})
    answer = wsgi_call(validator(app))(request)
    assert answer == Answer(201, (("content-type", "text/plain"),), b"ab")
    assert seen["PATH_INFO"].encode("latin-1").decode() == "/é x"
    assert seen["body"] == b'{"n": 1}'
    expected = {"QUERY_STRING": "q=y", "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": "8"}
    assert expected.items() <= seen.items()
    assert seen["HTTP_X_TENANT_ID"] == "acme"


def test_a_body_is_closed_and_an_error_is_an_answer() -> None:
    closed = []

    class Body:
        def __iter__(self) -> Any:
            raise LookupError

        def close(self) -> None:
            closed.append(True)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Body()

    assert wsgi_call(app)(Request("GET", "/")) == Answer(500, (), b"", "LookupError")
    assert closed == [True]
