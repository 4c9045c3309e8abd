"""The sweep finds what is planted, in each framework."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.testing import Caller, Operation

from .plain import INTRUDER, OWNER, READ, answering, found_in
from .shops import PAGES, SHOPS, Shop, kinds, swept

GET_PLANTED = "GET /inner/notes/{note_id}/planted"
DELETE_PLANTED = "DELETE /inner/notes/{note_id}/planted"

each_framework = pytest.mark.parametrize("name", SHOPS)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@each_framework
def test_nothing_is_found_where_nothing_is_planted(name: str, shop: Shop) -> None:
    assert swept(shop, SHOPS[name](shop), watch=shop.acmes) == []
    assert swept(shop, SHOPS[name](shop)) == []


@each_framework
def test_an_endpoint_that_reads_past_the_guard_is_found(name: str, shop: Shop) -> None:
    app = SHOPS[name](shop, shop.read_past_the_guard)
    found = swept(shop, app, watch=shop.acmes, skip=PAGES[name])
    assert kinds(found) == {("read", GET_PLANTED)}
    assert "with '<secret> of acme'" in str(found[0])
    assert len(found) == 2


@each_framework
def test_an_endpoint_that_writes_past_the_guard_is_found(name: str, shop: Shop) -> None:
    app = SHOPS[name](shop, shop.delete_past_the_guard)
    found = swept(shop, app, watch=shop.acmes, skip=PAGES[name])
    assert kinds(found) == {("changed", DELETE_PLANTED)}
    assert kinds(swept(shop, app, skip=PAGES[name])) == {("accepted", DELETE_PLANTED)}


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"the ownersmark", ()),
        (404, b"there is only ownersmark", ()),
        (302, b"", [("Location", "/of/owners%6dark")]),
    ],
)
def test_a_mark_is_found_whatever_the_status(answer: Any) -> None:
    found = found_in(answering(answer), intruder=Caller(INTRUDER.headers))
    assert [kind for kind, _ in found] == ["read"]


def test_an_id_that_was_not_sent_is_a_mark() -> None:
    mine = "8a3c2f80-2f0e-4b52-9a55-4f3d7f1f0a01"
    owner = Caller(OWNER.headers, {"note_id": [mine]}, OWNER.marks)
    app = answering((200, mine.encode(), ()))
    assert found_in(app, Operation("GET", "/notes"), owner=owner) == [
        ("read", f"200, with {mine!r}")
    ]
    assert found_in(app, owner=owner) == []


@pytest.mark.parametrize("status", [400, 401, 405, 415, 422, 307])
def test_a_request_that_was_not_judged_is_a_finding(status: int) -> None:
    write = Operation("PUT", "/notes/{note_id}")
    app = answering((status, b"", ()))
    assert found_in(app, READ, write, intruder=Caller(INTRUDER.headers)) == [
        ("unreached", str(status)),
        ("unreached", str(status)),
    ]


def test_an_operation_that_does_not_work_for_either_is_a_finding() -> None:
    app = answering((403, b"", ()))
    assert found_in(app) == [("unreached", "the intruder itself gets 403")]
    other = Operation("GET", "/other/{other_id}")
    assert found_in(answering((200, b"", ())), READ, other) == [
        ("unreached", "the owner has no ids for other_id")
    ]


def test_an_error_is_a_finding() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        if environ["HTTP_X"] == "intruder" and environ["PATH_INFO"] == "/notes/1":
            raise LookupError
        start_response("200 OK", [])
        return [b"ownersmark" if environ["HTTP_X"] == "owner" else b""]

    assert found_in(app) == [("failed", "500 LookupError")]


def test_ids_are_put_wherever_an_operation_takes_them() -> None:
    sent = []

    def app(environ: Any, start_response: Any) -> Any:
        body = environ["wsgi.input"].read().decode()
        sent.append((environ["PATH_INFO"], environ["QUERY_STRING"], body))
        start_response("404 Not Found", [])
        return [b""]

    ids: Any = {"list_id": [1], "note_ids": [3], "n": [5]}
    own: Any = {"list_id": [2], "note_ids": [4], "n": [6]}
    operation = Operation(
        "PUT", "/l/{list_id}", {"note_ids": [0], "q": "x"}, {"in": [{"n": 0}], "m": "y"}
    )
    owner, intruder = Caller(ids=ids), Caller(ids=own, prefix="/b")
    assert found_in(app, operation, owner=owner, intruder=intruder) == []
    assert sent == [
        ("/b/l/1", "note_ids=4&q=x", '{"in": [{"n": 6}], "m": "y"}'),
        ("/b/l/2", "note_ids=3&q=x", '{"in": [{"n": 6}], "m": "y"}'),
        ("/b/l/2", "note_ids=4&q=x", '{"in": [{"n": 5}], "m": "y"}'),
        ("/b/l/1", "note_ids=3&q=x", '{"in": [{"n": 5}], "m": "y"}'),
    ]


def test_a_mark_that_could_not_be_noticed_is_an_error() -> None:
    owner = Caller(OWNER.headers, OWNER.ids, ["mistyped"])
    with pytest.raises(ConfigurationError, match="no answer to the owner has 'mistyped'"):
        found_in(answering((404, b"", ())), owner=owner)


@pytest.mark.parametrize("status", [302, 303, 307])
def test_an_intruder_who_is_sent_to_log_in_is_a_finding(status: int) -> None:
    app = answering((status, b"", [("Location", "/login")]))
    kind, detail = found_in(app)[0]
    assert (kind, detail) == ("unreached", f"the intruder itself gets {status} to /login")
    # The owner's marks say that it is logged in.
    owner = (302, b"", [("Location", "/of/ownersmark")])
    assert found_in(answering((404, b"", ()), owner), intruder=Caller(INTRUDER.headers)) == []


def test_an_intruder_who_does_not_see_its_own_rows_is_an_error() -> None:
    intruder = Caller(INTRUDER.headers, INTRUDER.ids, ["intrudersmark"])
    with pytest.raises(ConfigurationError, match="no answer to the intruder has 'intrudersmark'"):
        found_in(answering((200, b"Log in, please", ())), intruder=intruder)
    assert found_in(answering((200, b"intrudersmark", ())), intruder=intruder) == []


@pytest.mark.parametrize("refused", [(302, b"", [("Location", "/login")]), (401, b"", ())])
def test_an_intruder_who_is_logged_out_on_the_way_is_a_finding(refused: Any) -> None:
    is_out = False

    def app(environ: Any, start_response: Any) -> Any:
        nonlocal is_out
        answer = answering(refused if is_out else (200, b"", ()))(environ, start_response)
        is_out = is_out or environ["PATH_INFO"] == "/logout"
        return answer

    logout, delete = Operation("POST", "/logout"), Operation("DELETE", "/accounts")
    found = found_in(app, READ, logout, delete)
    kind, detail = found[-1]
    assert kind == "unreached"
    assert detail.startswith(f"in the end, the intruder itself gets {refused[0]}")
    is_out = False
    assert found_in(app, READ, logout, delete, skip=["POST /logout"]) == []


CANCEL = Operation("POST", "/cancel", body={"number": 1})
SEARCH = Operation("QUERY", "/search", query={"number": 1})


@pytest.mark.parametrize("operation", [CANCEL, SEARCH])
@pytest.mark.parametrize("status", [404, 410])
def test_what_was_not_there_without_any_id_was_not_judged(
    operation: Operation, status: int
) -> None:
    app = answering((status, b"", ()))
    options: Any = {"intruder": Caller(INTRUDER.headers), "watch": lambda: [1]}
    ((kind, detail),) = found_in(app, READ, operation, **options)
    assert kind == "unreached"
    assert detail == f"{status} to made-up values; if one is an id, give ids= with number"
    # With the owner's id, or with nothing that could be one, it says something.
    owner = Caller(OWNER.headers, {**OWNER.ids, "number": [1]}, OWNER.marks)
    assert found_in(app, READ, operation, owner=owner, **options) == []
    named = Operation("PUT", "/notes/{note_id}", body={"text": "e"})
    assert found_in(app, READ, named, Operation("POST", "/refresh"), **options) == []


def _writing(rows: list[Any]) -> Any:
    """Return an application in which the intruder may write everybody's rows."""

    def app(environ: Any, start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "PUT":
            rows[0]["text"] = "overwritten"
        return answering((200, b"", ()))(environ, start_response)

    return app


@pytest.mark.parametrize("returned", [lambda rows: rows, lambda rows: [*rows]])
def test_rows_that_are_changed_where_they_are_watched_are_found(returned: Any) -> None:
    rows = [{"text": "ownersmark"}]
    write = Operation("PUT", "/notes/{note_id}")
    found = found_in(_writing(rows), READ, write, watch=lambda: returned(rows))
    assert found == [("changed", "what watch returns changed")]


@pytest.mark.parametrize("watched", [None, object(), iter([1]), (each for each in [1]), list])
def test_what_is_watched_must_be_comparable(watched: Any) -> None:
    with pytest.raises(ConfigurationError, match="must return the owner's rows as plain values"):
        found_in(answering((404, b"", ())), watch=lambda: watched)


def test_what_was_reviewed_is_left_out() -> None:
    app = answering((400, b"", ()))
    intruder = Caller(INTRUDER.headers)
    assert found_in(app, intruder=intruder, allow=["unreached GET /notes/*"]) == []
    other = Operation("GET", "/other")
    assert (
        found_in(app, READ, other, intruder=intruder, skip=["GET /other"], allow=["unreached *"])
        == []
    )


@pytest.mark.parametrize("option", ["allow", "skip"])
def test_what_is_not_there_any_more_must_go(option: str) -> None:
    app = answering((404, b"", ()))
    with pytest.raises(ConfigurationError, match=r"nothing matches 'GET \[id\]' any more"):
        found_in(app, intruder=Caller(INTRUDER.headers), **{option: ["GET [id]"]})


def test_a_value_that_is_taken_is_explained() -> None:
    class IntegrityError(Exception): ...

    def app(environ: Any, start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "POST":
            raise IntegrityError
        return answering((200, b"", ()))(environ, start_response)

    ((kind, detail),) = found_in(app, READ, Operation("POST", "/sign-up", body={"name": "e"}))
    assert kind == "failed"
    assert detail.startswith("500 IntegrityError: if it has made-up values")
