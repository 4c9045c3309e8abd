"""Name in ``Vary`` the request headers that the tenant came from (RFC 9110 section 12.5.5)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from .errors import ConfigurationError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = [
    "adding_vary",
    "chosen",
    "declared_by",
    "merged",
    "varying_wsgi",
]

_FIELD_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def declared_by(*resolvers: object) -> tuple[str, ...]:
    """Return the request headers that ``resolvers`` declare to read, each once.

    A resolver declares them in its attribute ``varies_on``, an iterable of names.

    Raises:
        ConfigurationError: an attribute ``varies_on`` is invalid.
    """
    names: dict[str, str] = {}
    for resolver in resolvers:
        for name in _header_names(getattr(resolver, "varies_on", ())):
            names.setdefault(name.lower(), name)
    return tuple(names.values())


def chosen(vary: Iterable[str] | None, *readers: object) -> tuple[str, ...]:
    """Return the header names of a middleware's ``vary``; by default those that ``readers``, its
    resolver and ``authorize``, declare.

    Raises:
        ConfigurationError: a name is invalid.
    """
    return declared_by(*readers) if vary is None else _header_names(vary)


def _header_names(names: object) -> tuple[str, ...]:
    """Return ``names`` as a tuple of header names.

    Raises:
        ConfigurationError: a name is invalid.
    """
    if not isinstance(names, str) and isinstance(names, Iterable):
        found = tuple(names)
        if all(isinstance(name, str) and _FIELD_NAME.fullmatch(name) for name in found):
            return found
    raise ConfigurationError(
        'vary and a resolver\'s varies_on must be iterables of header names, as in ("X-Tenant-ID",)'
    )


def merged(fields: str, names: tuple[str, ...]) -> str:
    """Return the value of ``Vary`` with the members of ``fields`` and ``names``, each once."""
    members = [member for field in fields.split(",") if (member := field.strip())]
    if "*" in members:
        return "*"
    there = {member.lower() for member in members}
    return ", ".join([*members, *(name for name in names if name.lower() not in there)])


def adding_vary(names: tuple[str, ...]) -> Callable[[Any], Any]:
    """Return a function that adds ``names`` to the ``Vary`` of an ``http.response.start``."""
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
            # Most names already differ in length, which is cheapest to compare.
            if len(name) == 4 and name.lower() == b"vary":
                headers = merged_fields(headers)
                break
        else:
            headers.append(entry)
        message["headers"] = headers
        return message

    return add_vary


def varying_wsgi(app: WSGIApplication, names: tuple[str, ...]) -> WSGIApplication:
    """Wrap ``app`` to add ``names`` to the ``Vary`` of each response."""
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
