"""Plain applications, whose routes the test gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tenantshield_mw.adapters.testing import Caller, Operation, sweep

__all__ = ["BOTH", "INTRUDER", "OWNER", "READ", "answering", "found_in"]

READ = Operation("GET", "/notes/{note_id}")
OWNER = Caller({"X": "owner"}, {"note_id": [1]}, ["ownersmark"])
INTRUDER = Caller({"X": "intruder"}, {"note_id": [2]})


def answering(intruder: Any, owner: Any = (200, b"ownersmark", ())) -> Callable[..., Any]:
    """Return a WSGI application with an answer for each of the two."""

    def app(environ: Any, start_response: Any) -> Any:
        status, body, headers = owner if environ["HTTP_X"] == "owner" else intruder
        start_response(f"{status} As Given", [*headers])
        return [body]

    return app


def found_in(app: Any, *operations: Operation, **options: Any) -> list[tuple[str, str]]:
    found = sweep(app, operations=operations or [READ], **{**BOTH, **options})
    return [(each.kind, each.detail) for each in found]


BOTH: Any = {"owner": OWNER, "intruder": INTRUDER}
