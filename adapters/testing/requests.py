"""A request, and the answer to it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote, urlencode

__all__ = ["Answer", "Call", "Request"]

PARAMETER: Final = re.compile(r"{(\w+)}")


@dataclass(frozen=True)
class Request:
    """What is sent.

    Args:
        method: of HTTP, in capitals.
        path: without the query, percent-encoded.
        query: the query parameters.
        body: the fields of the body.
        form: whether the body is sent as a form, not as JSON.
        headers: further headers.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    form: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        query = f"?{self.query_string}" if self.query else ""
        body = f" {json.dumps(self.body, default=str)}" if self.body else ""
        return f"{self.method} {self.path}{query}{body}"

    @property
    def query_string(self) -> str:
        """The query, without the question mark."""
        return _as_form(self.query)

    @property
    def content(self) -> bytes:
        """The body."""
        if not self.body:
            return b""
        if self.form:
            return _as_form(self.body).encode()
        return json.dumps(self.body, default=str).encode()

    @property
    def content_type(self) -> str:
        """The media type of the body."""
        return "application/x-www-form-urlencoded" if self.form else "application/json"


@dataclass(frozen=True)
class Answer:
    """What came back.

    Args:
        status: of HTTP; 500 if the application raised an exception.
        headers: the names, in lower case, and values.
        body: all of it.
        error: the kind of exception that the application raised, if any.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    error: str | None = None

    def carries(self, mark: str) -> bool:
        """Return whether ``mark`` is in the body or a header, also if it is escaped there."""
        return any(mark in text for text in self._texts())

    def _texts(self) -> Iterator[str]:
        body = self.body.decode("utf-8", "replace")
        yield body
        yield html.unescape(body)
        for _, value in self.headers:
            yield value
            yield unquote(value)
        try:
            parsed: Any = json.loads(body)
        except ValueError:
            return
        yield from _strings(parsed)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for each in value:
            yield from _strings(each)
    elif isinstance(value, str):
        yield value


def _as_form(fields: Mapping[str, Any]) -> str:
    words = {True: "true", False: "false"}
    plain = {
        name: words[value] if isinstance(value, bool) else value for name, value in fields.items()
    }
    return urlencode(plain, doseq=True)


Call: TypeAlias = Callable[[Request], Any]
"""Sends a request, and returns the :class:`Answer`, or an awaitable of it."""


def filled(path: str, values: Mapping[str, Any]) -> str:
    """Return ``path`` with a value for each of its parameters."""
    return PARAMETER.sub(lambda found: quote(str(values[found[1]]), safe=""), path)
