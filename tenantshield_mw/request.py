"""Read ASGI and WSGI requests in the same way.

A request is the raw ASGI scope or the raw WSGI environ. The resolvers read it only through
these functions, so that they cannot see different things through the two interfaces. There is
no request object: nothing is read before it is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeAlias, TypeVar, final

from .errors import ConfigurationError, TenantResolutionError

__all__ = [
    "LONGEST_PARSED",
    "PRINCIPAL_KEY",
    "SESSION_KEY",
    "TENANT_KEY",
    "UNNAMED_KEY",
    "HeaderField",
    "HeaderFields",
    "Memo",
    "Request",
    "over_asgi",
    "path",
    "peer",
    "query_string",
]

T = TypeVar("T")
K = TypeVar("K", bytes, str)

Request: TypeAlias = Mapping[str, Any]
"""An ASGI scope of type ``http`` or ``websocket``, or a WSGI environ."""

TENANT_KEY: Final = "tenantshield_mw.tenant"
"""The key in scope and environ under which the request's
:class:`~tenantshield_mw.TenantContext` is; ``None`` if it runs without a tenant."""

UNNAMED_KEY: Final = "tenantshield_mw.unnamed"
"""The key in scope and environ of a request that runs without a tenant because the client named
none. What then needs a tenant is refused as the client's mistake, everything else as the
server's."""

SESSION_KEY: Final = "tenantshield_mw.session"
"""The key in the environ for a WSGI framework's session: a mapping, or a function without
arguments that returns it. In ASGI it is ``session`` in the scope."""

PRINCIPAL_KEY: Final = "tenantshield_mw.principal"
"""The key in the environ for the user that a WSGI framework has authenticated: an object, a
mapping or ``None``, or a function without arguments that returns one of these. In ASGI it is
``user`` in the scope."""

LONGEST_PARSED: Final = 8192
"""The longest structured field value that is parsed, in characters or octets."""

_REMEMBERED: Final = 1024
"""How many values a :class:`Memo` holds before it is cleared."""

_REMEMBERED_LENGTH: Final = 255
"""The longest value that a :class:`Memo` holds by default, in characters or octets."""

# RFC 9110 section 5.1, except for "_", which WSGI and CGI cannot tell from "-".
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+\-.^`|~0-9A-Za-z]+")

# PEP 3333, "environ Variables": the two headers without the prefix HTTP_.
_WITHOUT_PREFIX: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


@final
class Memo(dict[K, T]):
    """The results of ``parse`` by value, for short values.

    A ``dict`` with ``__missing__``, since looking up a known value then calls no Python
    function.

    Args:
        parse: parses a value, or raises. It must return the same for the same value.
        length: the longest value to remember, in characters or octets.
    """

    __slots__ = ("_length", "_parse")

    def __init__(self, parse: Callable[[K], T], length: int = _REMEMBERED_LENGTH) -> None:
        super().__init__()
        self._parse: Callable[[K], T] = parse
        self._length = length

    def __missing__(self, value: K) -> T:
        meaning = self._parse(value)
        if len(value) <= self._length:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[value] = meaning
        return meaning


@final
class HeaderField(Generic[T]):
    """A header field with a parser; called with a request, it returns the parsed value.

    Args:
        name: the field's name, in any case (RFC 9110 section 5.1), without ``_``, which
            WSGI cannot tell from ``-``.
        parse: parses the value, or raises. It must return the same for the same value, since
            results are remembered.
        joint: joins the values of a repeated field; by default a comma (RFC 9110 section
            5.3).
        length: the longest value whose result is remembered, in octets.

    Raises:
        ConfigurationError: ``name`` is invalid.
    """

    __slots__ = (
        "_environ_key",
        "_joint",
        "_known",
        "_known_text",
        "_length",
        "_name",
        "name",
        "varies_on",
    )

    def __init__(
        self,
        name: str,
        parse: Callable[[bytes], T],
        *,
        joint: bytes = b",",
        length: int = _REMEMBERED_LENGTH,
    ) -> None:
        if not isinstance(name, str) or not _FIELD_NAME.fullmatch(name):
            raise ConfigurationError(
                "a header's name must be a str of letters, digits and '-', as in "
                "header(\"X-Tenant-ID\"); '_' is not allowed, since WSGI cannot tell it from '-'"
            )
        self.name = name
        self.varies_on: tuple[str, ...] = (name,)
        self._joint = joint
        self._known = Memo(parse, length)
        # Under WSGI a value is text; a memo by text saves encoding it.
        self._known_text: Memo[str, T] = Memo(lambda text: parse(self._octets(text)), length)
        self._name = name.lower().encode("ascii")
        self._length = len(self._name)
        key = name.upper().replace("-", "_")
        self._environ_key = key if key in _WITHOUT_PREFIX else f"HTTP_{key}"

    def __call__(self, request: Request) -> T | None:
        """Return the parsed value; ``None`` if ``request`` does not have the field.

        Raises:
            TenantResolutionError: the value is not latin-1, or ``parse`` refuses it.
        """
        if "headers" in request:
            found: bytes | None = None
            name: bytes
            value: bytes
            length = self._length
            for name, value in request["headers"]:
                # Not every server lower-cases the names (ASGI, "HTTP connection scope").
                # Most names already differ in length, which is cheapest to compare.
                if len(name) == length and (name == self._name or name.lower() == self._name):
                    found = value if found is None else found + self._joint + value
            return None if found is None else self._known[found]
        # The server has joined the values of a repeated field. If it accepts X_Tenant_ID, it
        # has joined that with X-Tenant-ID as well; Granian keeps the last of the two.
        text: str | None = request.get(self._environ_key)
        return None if text is None else self._known_text[text]

    def meaning(self, value: bytes | str) -> T:
        """Return the parsed form of a value of this field.

        Raises:
            TenantResolutionError: the value is not latin-1, or ``parse`` refuses it.
        """
        return self._known_text[value] if type(value) is str else self._known[value]  # type: ignore[index]

    def raw(self, request: Request) -> bytes | str | None:
        """Return the unparsed value; ``None`` if ``request`` does not have the field.

        The value is bytes in ASGI, and in WSGI text with one character per octet. The search
        is written out here and in ``__call__``, since a call would cost every request.

        Raises:
            TenantResolutionError: the value is not latin-1.
        """
        if "headers" in request:
            found: bytes | None = None
            name: bytes
            value: bytes
            length = self._length
            for name, value in request["headers"]:
                if len(name) == length and (name == self._name or name.lower() == self._name):
                    found = value if found is None else found + self._joint + value
            return found
        text: str | None = request.get(self._environ_key)
        if text is not None and not text.isascii():
            self._octets(text)
        return text

    def _octets(self, text: str) -> bytes:
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            raise TenantResolutionError(f"the header {self.name} is not latin-1") from None


@final
class HeaderFields(Generic[T]):
    """Several header fields that are found in one pass over the headers.

    Args:
        fields: the fields, with different names.
    """

    __slots__ = ("_fields", "_lengths")

    def __init__(self, *fields: HeaderField[T]) -> None:
        self._fields = {field._name: field for field in fields}
        self._lengths = frozenset(map(len, self._fields))

    def __call__(self, request: Request) -> dict[HeaderField[T], Any]:
        """Return the fields that ``request`` has, with their unparsed values."""
        fields = self._fields
        found: dict[HeaderField[T], Any] = {}
        if "headers" not in request:
            for field in fields.values():
                if field._environ_key in request:
                    found[field] = request[field._environ_key]
            return found
        lengths = self._lengths
        for name, value in request["headers"]:
            if len(name) in lengths:
                sought = fields.get(name) or fields.get(name.lower())
                if sought is not None:
                    found[sought] = b"%b,%b" % (found[sought], value) if sought in found else value
        return found


def over_asgi(request: Request) -> bool:
    """Return whether a request is an ASGI scope."""
    return "headers" in request


def query_string(request: Request) -> str:
    """Return the part of the URL after ``?``, percent-encoded, with one character per octet.

    Raises:
        TenantResolutionError: the environ's ``QUERY_STRING`` is not latin-1 (PEP 3333,
            "Unicode Issues").
    """
    if "headers" in request:
        octets: bytes = request.get("query_string", b"")
        return octets.decode("latin-1")
    text: str = request.get("QUERY_STRING", "")
    if not text.isascii():
        try:
            text.encode("latin-1")
        except UnicodeEncodeError:
            raise TenantResolutionError("the query string is not latin-1") from None
    return text


def peer(request: Request) -> str:
    """Return the address of the connection's other end; ``""`` if the server gives none."""
    if "headers" in request:
        client = request.get("client")
        return str(client[0]) if client else ""
    return str(request.get("REMOTE_ADDR", ""))


def path(request: Request) -> str:
    """Return the path within the application, percent-decoded, without the mount point.

    This is ``PATH_INFO`` in WSGI. In ASGI it is ``path`` without ``root_path`` (ASGI, "HTTP
    connection scope"), which older servers leave out of ``path``.
    """
    full: str | None = request.get("path")
    if full is None:
        # PEP 3333, "Unicode Issues": each character is one octet of the path.
        octets: bytes = request.get("PATH_INFO", "").encode("latin-1", "replace")
        return octets.decode("utf-8", "replace")
    root: str = request.get("root_path", "")
    if not full.startswith(root):
        return full
    inside = full[len(root) :]
    # "/apix" is not below "/api".
    return inside if not inside or inside[0] == "/" else full
