"""The WSGI middleware: the tenant is bound in the call, each step of the body and its close."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from tenantshield_mw import TenantSessionMiddlewareWSGI, tenant_scope
from tenantshield_mw.request import TENANT_KEY

from .calling import as_environ, call_wsgi
from .wsgi_calls import ACME, Body, around, start, tenant_bytes, tenant_id

GLOBEX = [(b"x-tenant-id", b"globex")]

variable: ContextVar[str] = ContextVar("variable", default="unset")


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
