"""The operations of application objects."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw.adapters.testing import Operation, sweep
from tenantshield_mw.adapters.testing.routes import Unknown, operations_in

from .plain import BOTH
from .shops import SHOPS, Shop, kinds


def test_parts_that_cannot_be_requested_are_findings(tmp_path: Any) -> None:
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route, WebSocketRoute
    from starlette.staticfiles import StaticFiles

    async def socket(websocket: Any) -> None: ...

    async def plain(request: Any) -> Any:
        return PlainTextResponse("ownersmark" if request.headers["X"] == "owner" else "")

    app = Starlette(
        routes=[
            Route("/", plain),
            WebSocketRoute("/events", socket),
            Mount("/static", StaticFiles(directory=tmp_path)),
        ]
    )
    found = sweep(app, **BOTH)
    assert kinds(found) == {
        ("unreached", "WEBSOCKETROUTE /events"),
        ("unreached", "MOUNT /static"),
    }
    assert sweep(app, **BOTH, skip=["WEBSOCKETROUTE /events", "MOUNT /static"]) == []


@pytest.mark.parametrize("name", SHOPS)
def test_each_framework_has_the_same_operations(name: str) -> None:
    shop = Shop()
    operations, unknown = operations_in(SHOPS[name](shop))
    assert unknown == []
    found = [str(each) for each in operations if "notes" in each.path]
    assert found == [
        "GET /notes",
        "GET /notes/{note_id}",
        "POST /notes",
        "DELETE /notes/{note_id}",
    ]
    planted, _ = operations_in(SHOPS[name](shop, shop.read_past_the_guard))
    assert "GET /inner/notes/{note_id}/planted" in map(str, planted)


def test_werkzeugs_rules_are_read() -> None:
    from werkzeug.routing import Map, Rule

    class App:
        url_map = Map(
            [
                Rule("/a/<any(x, y):kind>/<string(length=2):code>", methods=["PUT"]),
                Rule("/b", websocket=True),
                Rule("/c", subdomain="other"),
            ]
        )

    operations, unknown = operations_in(App())
    assert operations == [Operation("PUT", "/a/{kind}/{code}")]
    assert unknown == [
        Unknown("WEBSOCKET /b", "a websocket"),
        Unknown("HOST /c", "a route of another host"),
    ]


def test_a_document_can_be_given() -> None:
    document: dict[str, Any] = {"paths": {"/a": {"get": {}}}}
    assert operations_in(object(), document) == ([Operation("GET", "/a")], [])
