"""Telling caches which request headers the tenant came from (RFC 9110 section 12.5.5)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .errors import ConfigurationError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = [
    "ASGIApp",
    "adding_vary",
    "chosen",
    "declared_by",
    "merged",
    "varying_wsgi",
]

ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI 3 application, whichever library's types it is annotated with."""

_FIELD_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def declared_by(*resolvers: object) -> tuple[str, ...]:
    """Return the request headers that ``resolvers`` read, each once.

    A resolver says so in its attribute ``varies_on``, an iterable of names; one without
    it reads none.

    Raises:
        ConfigurationError: an attribute ``varies_on`` is something else.
    """
    names: dict[str, str] = {}
    for resolver in resolvers:
        for name in _checked(getattr(resolver, "varies_on", ())):
            names.setdefault(name.lower(), name)
    return tuple(names.values())


def chosen(vary: Iterable[str] | None, *askers: object) -> tuple[str, ...]:
    """Return what a middleware's ``vary`` comes to; ``None`` is what ``askers`` declare: its
    resolver, and what authorizes.

    Raises:
        ConfigurationError: they are no header names.
    """
    return declared_by(*askers) if vary is None else _checked(vary)


def _checked(names: object) -> tuple[str, ...]:
    """Return ``names`` as a tuple of header names.

    Raises:
        ConfigurationError: they are none.
    """
    if not isinstance(names, str) and isinstance(names, Iterable):
        found = tuple(names)
        if all(isinstance(name, str) and _FIELD_NAME.fullmatch(name) for name in found):
            return found
    raise ConfigurationError(
        'vary and a resolver\'s varies_on are iterables of header names, as in ("X-Tenant-ID",)'
    )


def merged(fields: str, names: tuple[str, ...]) -> str:
    """Return the value of a ``Vary`` that says what ``fields`` says, and ``names``, once."""
    members = [member for field in fields.split(",") if (member := field.strip())]
    if "*" in members:
        return "*"
    there = {member.lower() for member in members}
    return ", ".join([*members, *(name for name in names if name.lower() not in there)])


def adding_vary(names: tuple[str, ...]) -> Callable[[Any], Any]:
    """Return what returns a message ``http.response.start`` with ``names`` in its ``Vary``."""
    entry = (b"vary", ", ".join(names).encode("ascii"))

    def merged_fields(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        fields = b",".join(value for name, value in headers if name.lower() == b"vary")
        others = [header for header in headers if header[0].lower() != b"vary"]
        value = merged(fields.decode("latin-1"), names).encode("latin-1")
        return [*others, (b"vary", value)]

    def add_vary(message: Any) -> Any:
        message = message.copy()
        try:
            headers = [*message["headers"]]
        except KeyError:
            headers = []
        for name, _ in headers:
            # Most names differ in length already, the cheapest thing to compare.
            if len(name) == 4 and name.lower() == b"vary":
                headers = merged_fields(headers)
                break
        else:
            headers.append(entry)
        message["headers"] = headers
        return message

    return add_vary


def varying_wsgi(app: WSGIApplication, names: tuple[str, ...]) -> WSGIApplication:
    """Return ``app`` with ``names`` in the ``Vary`` of each response."""
    entry = ("Vary", ", ".join(names))

    def merged_fields(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        fields = ",".join(value for name, value in headers if name.lower() == "vary")
        others = [header for header in headers if header[0].lower() != "vary"]
        return [*others, ("Vary", merged(fields, names))]

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start_with_vary(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            for name, _ in headers:
                if len(name) == 4 and name.lower() == "vary":
                    return start_response(status, merged_fields(headers), *exc_info)
            return start_response(status, [*headers, entry], *exc_info)

        return app(environ, start_with_vary)

    return serve
