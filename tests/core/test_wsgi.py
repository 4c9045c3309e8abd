"""The WSGI middleware: the tenant is bound in the call, each step of the body and its close."""

from __future__ import annotations

import gc
import http.client
import threading
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import BytesIO
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.simple_server import make_server as make_wsgiref_server
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import httpx
import pytest
from a2wsgi import ASGIMiddleware, WSGIMiddleware
from werkzeug.middleware.lint import LintMiddleware
from werkzeug.serving import WSGIRequestHandler as WerkzeugRequestHandler
from werkzeug.serving import make_server as make_werkzeug_server
from werkzeug.test import create_environ

from tenantshield_mw import (
    TenantContext,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    resolvers,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.request import TENANT_KEY

from .calling import as_environ, call_wsgi

ACME = [(b"x-tenant-id", b"acme")]
GLOBEX = [(b"x-tenant-id", b"globex")]

variable: ContextVar[str] = ContextVar("variable", default="unset")


def tenant_id() -> Any:
    tenant = try_current_tenant()
    return None if tenant is None else tenant.tenant_id


def tenant_bytes() -> bytes:
    return str(tenant_id()).encode()


def around(app: Any, **options: Any) -> TenantSessionMiddlewareWSGI:
    return TenantSessionMiddlewareWSGI(
        app, resolve_tenant=resolvers.header("X-Tenant-ID"), **options
    )


def start(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
    return lambda data: None


class Body:
    """A body that records the tenant of each access to it."""

    def __init__(self, *, fails: bool = False, close_fails: bool = False) -> None:
        self.noted: list[tuple[str, Any]] = []
        self.fails = fails
        self.close_fails = close_fails
        self.chunks = iter([b"a", b"b"])

    def __iter__(self) -> Iterator[bytes]:
        self.noted.append(("iter", tenant_id()))
        return self

    def __next__(self) -> bytes:
        self.noted.append(("next", tenant_id()))
        if self.fails:
            raise LookupError
        return next(self.chunks)

    def close(self) -> None:
        self.noted.append(("close", tenant_id()))
        if self.close_fails:
            raise LookupError

    def app(self, environ: Any, start_response: Any) -> Body:
        start_response("200 OK", [])
        return self


def closing(body: Any) -> Any:
    return body.close()


def test_the_call_sees_the_tenant_and_the_server_does_not() -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append((tenant_id(), environ[TENANT_KEY].tenant_id))
        start_response("200 OK", [])
        return [b"ok"]

    assert call_wsgi(around(app), as_environ(headers=ACME)).body == b"ok"
    assert seen == [("acme", "acme")]
    assert tenant_id() is None


def test_the_environ_is_the_servers_own_so_that_middleware_further_out_sees_it() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["REMOTE_USER"] = "ann"
        start_response("200 OK", [])
        return []

    environ = as_environ(headers=ACME)
    around(app)(environ, start)
    assert environ["REMOTE_USER"] == "ann"
    assert environ[TENANT_KEY].tenant_id == "acme"


def test_the_environ_says_so_when_there_is_no_tenant() -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ[TENANT_KEY])
        start_response("200 OK", [])
        return []

    outer: Any = {TENANT_KEY: "of a middleware further out"}
    call_wsgi(around(app, exempt=["/health"]), as_environ("/health", **outer))
    call_wsgi(around(app, on_missing_tenant="allow_unbound"), as_environ(**outer))
    assert seen == [None, None]


def test_a_generator_app_which_runs_when_it_is_first_iterated_sees_the_tenant() -> None:
    noted: list[Any] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            yield tenant_bytes()
            yield tenant_bytes()
        finally:
            noted.append(tenant_id())

    response = call_wsgi(around(app), as_environ(headers=ACME))
    assert (response.status, response.body) == (200, b"acmeacme")
    assert noted == ["acme"]
    assert tenant_id() is None


def test_iterating_and_closing_a_body_happen_under_the_tenant() -> None:
    body = Body()
    assert call_wsgi(around(body.app), as_environ(headers=ACME)).body == b"ab"
    assert body.noted == [(what, "acme") for what in ("iter", "next", "next", "next", "close")]


def test_a_body_that_is_never_iterated_is_closed_once() -> None:
    body = Body()
    closing(around(body.app)(as_environ(headers=ACME), start))
    assert body.noted == [("close", "acme")]


def test_a_body_whose_iteration_raises_is_closed_once() -> None:
    body = Body(fails=True)
    with pytest.raises(LookupError):
        call_wsgi(around(body.app), as_environ(headers=ACME))
    assert body.noted == [("iter", "acme"), ("next", "acme"), ("close", "acme")]


def test_a_body_that_is_closed_halfway_is_closed_once() -> None:
    body = Body()
    result = around(body.app)(as_environ(headers=ACME), start)
    assert next(iter(result)) == b"a"
    closing(result)
    assert body.noted[-1] == ("close", "acme")
    assert [what for what, _ in body.noted].count("close") == 1


def test_a_body_that_the_server_closes_twice_is_closed_once() -> None:
    body = Body()
    result = around(body.app)(as_environ(headers=ACME), start)
    closing(result)
    closing(result)
    assert body.noted == [("close", "acme")]


def test_an_error_of_close_is_raised_and_the_scope_ends() -> None:
    body = Body(close_fails=True)
    result: Any = around(body.app)(as_environ(headers=ACME), start)
    with pytest.raises(LookupError):
        closing(result)
    next(result)
    assert body.noted == [("close", "acme"), ("iter", None), ("next", None)]


def test_after_the_close_nothing_runs_under_the_tenant() -> None:
    body = Body()
    result: Any = around(body.app)(as_environ(headers=ACME), start)
    closing(result)
    next(result)
    assert body.noted == [("close", "acme"), ("iter", None), ("next", None)]


def test_a_body_without_close_can_be_closed() -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return map(bytes, [b"a"])

    assert call_wsgi(around(app), as_environ(headers=ACME)).body == b"a"


def test_a_body_that_cannot_be_iterated_is_still_closed() -> None:
    class Broken:
        closed = 0

        def __iter__(self) -> Iterator[bytes]:
            raise LookupError

        def close(self) -> None:
            self.closed += 1

    body = Broken()
    with pytest.raises(LookupError):
        call_wsgi(around(lambda environ, start_response: body), as_environ(headers=ACME))
    assert body.closed == 1


def test_the_server_context_is_as_it_was_when_close_is_never_called() -> None:
    body = Body()
    with tenant_scope("server"):
        result: Any = around(body.app)(as_environ(headers=ACME), start)
        assert next(result) == b"a"
        assert tenant_id() == "server"
        del result
        gc.collect()
        assert tenant_id() == "server"
    assert tenant_id() is None


def test_a_body_that_is_dropped_leaves_nothing_behind() -> None:
    class Weak(Body):
        pass

    body = Weak()
    gone = weakref.ref(body)
    result: Any = around(body.app)(as_environ(headers=ACME), start)
    next(result)
    del result, body
    gc.collect()
    assert gone() is None


def test_the_call_the_body_and_the_server_share_a_context() -> None:
    # Flask's test client ends after the call what the app began in it.
    tokens: list[Any] = []
    seen: list[str] = []

    def resolver(environ: Any) -> str:
        tokens.append(variable.set("by the resolver"))
        return "acme"

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        tokens.append(variable.set("by the call"))
        start_response("200 OK", [])

        def body() -> Iterator[bytes]:
            seen.append(variable.get())
            tokens.append(variable.set("by the body"))
            yield b""

        return body()

    call_wsgi(TenantSessionMiddlewareWSGI(app, resolve_tenant=resolver), as_environ())
    assert seen == ["by the call"]
    for left in ("by the body", "by the call", "by the resolver"):
        assert variable.get() == left
        variable.reset(tokens.pop())
    assert variable.get() == "unset"


def test_nothing_stays_bound_after_a_call_a_step_or_a_close_that_raises() -> None:
    def failing(environ: Any, start_response: Any) -> Iterable[bytes]:
        tenant_scope("left open").__enter__()
        raise LookupError

    body = Body(fails=True, close_fails=True)
    with tenant_scope("server"):
        with pytest.raises(LookupError):
            around(failing)(as_environ(headers=ACME), start)
        assert tenant_id() == "server"
        result: Any = around(body.app)(as_environ(headers=ACME), start)
        for step in (result.__next__, result.close):
            with pytest.raises(LookupError):
                step()
            assert tenant_id() == "server"
    assert tenant_id() is None


def test_nothing_stays_bound_after_an_app_that_answers_refused_requests() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        tenant_scope("left open").__enter__()
        start_response("403 Forbidden", [])
        return map(bytes, [b"a", b"b"])

    with tenant_scope("server"):
        result: Any = around(lambda *_: [], on_refused=app)(as_environ(), start)
        assert tenant_id() == "server"
        next(result)
        assert tenant_id() == "server"


def test_a_scope_that_the_call_leaves_open_covers_the_body_and_nothing_else() -> None:
    scope = tenant_scope("of the call")

    class Closing(Body):
        def close(self) -> None:
            super().close()
            scope.__exit__(None, None, None)
            self.noted.append(("closed", tenant_id()))

    body = Closing()

    def app(environ: Any, start_response: Any) -> Body:
        scope.__enter__()
        return body.app(environ, start_response)

    result: Any = around(app)(as_environ(headers=ACME), start)
    assert tenant_id() is None
    next(result)
    assert tenant_id() is None
    result.close()
    assert body.noted == [
        *((what, "of the call") for what in ("iter", "next", "close")),
        ("closed", "acme"),
    ]


def test_a_body_that_is_closed_in_the_middle_of_a_step_does_not_run_on_under_the_tenant() -> None:
    class Closed(Body):
        def __next__(self) -> bytes:
            if result is not None and not self.noted.count(("close", "acme")):
                result.close()
            return super().__next__()

    body = Closed()
    result: Any = None
    result = around(body.app)(as_environ(headers=ACME), start)
    for _ in range(2):
        next(iter(result))
    assert body.noted[-1] == ("next", None)


def test_a_thread_that_a_handler_starts_has_no_tenant() -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        thread = threading.Thread(target=lambda: seen.append(tenant_id()))
        thread.start()
        thread.join()
        yield tenant_bytes()

    assert call_wsgi(around(app), as_environ(headers=ACME)).body == b"acme"
    assert seen == [None]


def test_what_the_server_set_is_seen_by_the_app_but_not_its_tenant() -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append((variable.get(), tenant_id()))
        start_response("200 OK", [])
        return []

    token = variable.set("by the server")
    with tenant_scope("server"):
        call_wsgi(around(app, on_missing_tenant="allow_unbound"), as_environ())
        assert tenant_id() == "server"
    variable.reset(token)
    assert seen == [("by the server", None)]


def test_two_responses_iterated_in_turn_in_one_thread_each_keep_their_tenant() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        for _ in range(3):
            yield tenant_bytes()

    middleware = around(app)
    first: Any = middleware(as_environ(headers=ACME), start)
    second: Any = middleware(as_environ(headers=GLOBEX), start)
    chunks = [next(each) for _ in range(3) for each in (first, second)]
    assert chunks == [b"acme", b"globex"] * 3
    first.close()
    second.close()
    assert tenant_id() is None


def test_a_scope_held_open_across_chunks_stays_within_its_response() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        with tenant_scope(f"inside-{tenant_id()}"):
            yield tenant_bytes()
            yield tenant_bytes()
        yield tenant_bytes()

    middleware = around(app)
    first: Any = middleware(as_environ(headers=ACME), start)
    second: Any = middleware(as_environ(headers=GLOBEX), start)
    pairs = [(next(first), next(second)) for _ in range(3)]
    assert pairs == [(b"inside-acme", b"inside-globex")] * 2 + [(b"acme", b"globex")]
    assert tenant_id() is None


def test_a_response_may_be_iterated_by_another_thread_than_the_call() -> None:
    body = Body()
    result: Any = around(body.app)(as_environ(headers=ACME), start)
    chunks: list[bytes] = []
    thread = threading.Thread(target=lambda: chunks.extend(result))
    thread.start()
    thread.join()
    result.close()
    assert chunks == [b"a", b"b"]
    assert {tenant for _, tenant in body.noted} == {"acme"}


@pytest.mark.parametrize("body", [[b"ok"], (b"ok",), [], ()])
def test_a_list_or_tuple_body_goes_through_as_it_is(body: Any) -> None:
    result = around(lambda environ, start_response: body)(as_environ(headers=ACME), start)
    assert result is body


def test_a_subclass_of_list_which_may_do_anything_is_iterated_under_the_tenant() -> None:
    class Lazy(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            yield tenant_bytes()

    app = around(lambda environ, start_response: Lazy())
    assert call_wsgi(app, as_environ(headers=ACME)).body == b"acme"


def function_file_wrapper(file: Any, block_size: int = 8192) -> Any:
    return file


def offering(file_wrapper: Any) -> dict[str, Any]:
    """Return the environ of a server with its own way to send files."""
    return {**as_environ(headers=ACME), "wsgi.file_wrapper": file_wrapper}


def test_a_file_wrapper_body_goes_through_as_it_is() -> None:
    made: list[FileWrapper] = []

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        made.append(environ["wsgi.file_wrapper"](BytesIO(b"file")))
        return made[0]

    environ = offering(FileWrapper)
    result: Any = around(app)(environ, start)
    assert result is made[0]
    assert environ["wsgi.file_wrapper"] is FileWrapper
    result.close()


def test_the_body_of_a_file_wrapper_that_is_a_function_goes_through_as_it_is() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](environ["file"], block_size=1)

    file = BytesIO(b"file")
    environ = {**offering(function_file_wrapper), "file": file}
    assert around(app)(environ, start) is file


def test_another_body_is_iterated_under_the_tenant_where_there_is_a_file_wrapper() -> None:
    for file_wrapper in (FileWrapper, function_file_wrapper):
        body = Body()
        environ = offering(file_wrapper)
        assert call_wsgi(around(body.app), environ).body == b"ab"
        assert {tenant for _, tenant in body.noted} == {"acme"}


def test_write_reaches_the_server() -> None:
    written: list[bytes] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        write(tenant_bytes())
        return []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        return written.append

    around(app)(as_environ(headers=ACME), start_response)
    assert written == [b"acme"]


def test_start_response_is_the_servers_own_where_nothing_is_added() -> None:
    passed: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        passed.append(start_response)
        return []

    around(app, vary=())(as_environ(headers=ACME), start)
    assert passed == [start]


def test_an_error_of_the_call_goes_to_the_server() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        raise LookupError

    with pytest.raises(LookupError):
        around(app)(as_environ(headers=ACME), start)
    assert tenant_id() is None


@pytest.mark.parametrize(
    ("inner", "status", "seen"),
    [
        (lambda _: "acme", 200, ["acme", "acme"]),
        (lambda _: TenantContext("acme", {"plan": "gold"}), 200, ["acme", "acme"]),
        # What was proved to the outer middleware is not replaced.
        (lambda _: "globex", 400, ["acme"]),
        (lambda _: 1, 400, ["acme"]),
    ],
)
def test_a_mounted_application_may_have_a_middleware_of_its_own_for_the_same_tenant(
    inner: Any, status: int, seen: list[object]
) -> None:
    found: list[object] = []

    def innermost(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        found.append(tenant_id())
        yield b""

    mounted = TenantSessionMiddlewareWSGI(innermost, resolve_tenant=inner)

    def outermost(environ: Any, start_response: Any) -> Iterator[bytes]:
        yield from mounted(environ, start_response)
        found.append(tenant_id())

    assert call_wsgi(around(outermost), as_environ(headers=ACME)).status == status
    assert found == seen


@pytest.mark.parametrize("outer", [{"exempt": ["/in"]}, {"on_missing_tenant": "allow_unbound"}])
def test_a_mounted_application_may_name_a_tenant_where_the_outer_one_has_none(outer: Any) -> None:
    def innermost(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield tenant_bytes()

    mounted = TenantSessionMiddlewareWSGI(innermost, resolve_tenant=lambda _: "globex")
    assert call_wsgi(around(mounted, **outer), as_environ("/in")).body == b"globex"


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({"X-Outer": "acme", "X-Tenant-ID": "acme"}, (200, b"acme")),
        ({"X-Outer": "acme", "X-Tenant-ID": "globex"}, (400, None)),
        ({"X-Tenant-ID": "globex"}, (200, b"globex")),
    ],
)
async def test_a_wsgi_app_in_an_asgi_app_is_for_the_same_tenant(
    headers: dict[str, str], outcome: Any
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", TEXT)
        return [tenant_bytes()]

    bridge: Any = WSGIMiddleware
    both = TenantSessionMiddleware(
        bridge(around(app)),
        resolve_tenant=resolvers.header("X-Outer"),
        on_missing_tenant="allow_unbound",
    )
    transport = httpx.ASGITransport(both)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        response = await client.get("/", headers=headers)
    status, body = outcome
    assert response.status_code == status
    if body is None:
        assert response.json()["code"] == "tenant_malformed"
    else:
        assert response.content == body


@pytest.mark.parametrize(("inner", "status"), [(b"acme", 200), (b"globex", 400)])
def test_an_asgi_app_in_a_wsgi_app_is_for_the_same_tenant(inner: bytes, status: int) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(tenant_id())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    bridge: Any = ASGIMiddleware
    within = bridge(
        TenantSessionMiddleware(app, resolve_tenant=resolvers.header("X-Inner")), wait_time=60.0
    )
    headers = [*ACME, (b"x-inner", inner)]
    assert call_wsgi(around(within), as_environ(headers=headers)).status == status
    assert seen == (["acme"] if status == 200 else [])


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
