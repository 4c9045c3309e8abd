"""The routes of an application object, whichever framework it is of.

No framework is imported: each is told by what its applications have. What is not understood
becomes an :class:`Unknown`, so that nobody believes that it was requested.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from .operations import Operation, in_order, operations_of

__all__ = ["Unknown", "operations_in"]

_CONVERTER: Final = re.compile(r"{(\w+):\w+}")
# As in Werkzeug: <name>, <converter:name>, <converter(arguments):name>.
_RULE: Final = re.compile(r"<(?:\w+(?:\([^<>]*\))?:)?(\w+)>")
_NOT_REQUESTED: Final = frozenset({"HEAD", "OPTIONS", "TRACE"})


class Unknown(NamedTuple):
    """A part of an application of which it is not known how to request it.

    Attributes:
        name: as in ``MOUNT /static``.
        reason: what it is.
    """

    name: str
    reason: str


def operations_in(
    app: Any, document: Mapping[str, Any] | None = None
) -> tuple[list[Operation], list[Unknown]]:
    """Return the operations of an application, and what else it has.

    Of FastAPI and Litestar, the OpenAPI document tells what an operation takes; their routes tell
    which are missing in it.

    Args:
        app: the application, also inside of middleware that has it in its attribute ``app``.
        document: an OpenAPI document, in place of the application's own.
    """
    inner = _framework(app)
    if document is None:
        document = _document(inner)
    operations = {} if document is None else {str(each): each for each in operations_of(document)}
    unknown = []
    for each in _routes(inner):
        if isinstance(each, Unknown):
            unknown.append(each)
        else:
            operations.setdefault(str(each), each)
    return in_order([*operations.values()]), unknown


def _framework(app: Any) -> Any:
    while not any(hasattr(app, name) for name in ("url_map", "routes")) and hasattr(app, "app"):
        app = app.app
    return app


def _document(app: Any) -> Mapping[str, Any] | None:
    document: Mapping[str, Any] | None = None
    if hasattr(app, "openapi") and hasattr(app, "openapi_url"):  # FastAPI
        document = app.openapi()
    elif getattr(app, "openapi_config", None) is not None:  # Litestar
        document = app.openapi_schema.to_schema()
    return document


def _routes(app: Any) -> Iterator[Operation | Unknown]:
    if hasattr(app, "url_map"):
        for rule in app.url_map.iter_rules():
            yield from _of_rule(rule)
    else:
        yield from _of_routes(getattr(app, "routes", ()), "")


def _of_rule(rule: Any) -> Iterator[Operation | Unknown]:
    path = _RULE.sub(r"{\1}", rule.rule)
    if rule.websocket:
        yield Unknown(f"WEBSOCKET {path}", "a websocket")
    elif rule.subdomain or rule.host:
        yield Unknown(f"HOST {path}", "a route of another host")
    else:
        yield from _of_methods(rule.methods or ("GET",), path)


def _of_routes(routes: Iterable[Any], prefix: str) -> Iterator[Operation | Unknown]:
    """Yield the operations of Starlette's, FastAPI's and Litestar's routes."""
    for route in routes:
        # FastAPI keeps the routes of an included router there.
        included = getattr(route, "effective_route_contexts", None)
        if included is not None:
            effective = (getattr(each, "starlette_route", None) or each for each in included())
            yield from _of_routes(effective, prefix)
            continue
        path = getattr(route, "path", None)
        name = f"{prefix}{path or ''}"
        methods = getattr(route, "methods", None)
        if path is not None and methods:
            yield from _of_methods(methods, _CONVERTER.sub(r"{\1}", name) or "/")
        elif path is not None and getattr(route, "routes", None):
            yield from _of_routes(route.routes, name)
        elif path is not None and _is_endpoint(route):
            yield from _of_methods(("GET",), _CONVERTER.sub(r"{\1}", name))
        else:
            kind = type(route).__name__.upper()
            yield Unknown(f"{kind} {name}".rstrip(), f"a {type(route).__name__}")


def _is_endpoint(route: Any) -> bool:
    # Starlette's Route without methods has an ASGI application, which decides itself.
    return hasattr(route, "endpoint") and hasattr(route, "methods")


def _of_methods(methods: Iterable[str], path: str) -> Iterator[Operation]:
    for method in sorted(set(methods) - _NOT_REQUESTED):
        yield Operation(method, path)
