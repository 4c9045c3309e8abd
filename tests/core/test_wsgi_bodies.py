"""The body of a WSGI response: iterated and closed under the tenant, or passed on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from .calling import as_environ, call_wsgi
from .wsgi_calls import ACME, Body, around, start, tenant_bytes, tenant_id


def closing(body: Any) -> Any:
    return body.close()


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
