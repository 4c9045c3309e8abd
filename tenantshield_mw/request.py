"""One view of a request, whichever of the two interfaces it came through.

A request is the raw ASGI scope or the raw WSGI environ. Everything that is read from
one is read here, so that the two cannot disagree, and nothing is read before it is
asked for: the view has no object of its own.
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
"""The key of the scope and of the environ that holds the request's
:class:`~tenantshield_mw.TenantContext`, or ``None`` where it runs without a tenant."""

SESSION_KEY: Final = "tenantshield_mw.session"
"""The key of the environ under which a WSGI framework's session stands: a mapping, or a
callable that returns it. In ASGI it is ``session`` in the scope."""

PRINCIPAL_KEY: Final = "tenantshield_mw.principal"
"""The key of the environ under which stands whom a WSGI framework has authenticated: an
object, a mapping or ``None``, or a function that takes nothing and returns one of these.
In ASGI it is ``user`` in the scope."""

LONGEST_PARSED: Final = 8192
"""How long a field that has a grammar of its own may be, in characters or octets."""

_REMEMBERED: Final = 1024
"""How many values are remembered before all are forgotten."""

_REMEMBERED_LENGTH: Final = 255
"""How long a value may be to be remembered, if nothing else is said."""

# RFC 9110 section 5.1, but for "_": WSGI, like CGI, spells "-" that way.
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+\-.^`|~0-9A-Za-z]+")

# The two that PEP 3333 hands on without the prefix.
_WITHOUT_PREFIX: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


@final
class Memo(dict[K, T]):
    """What ``parse`` made of short values that came lately, by value.

    A mapping that fills itself: what is remembered costs no call of a function.

    Args:
        parse: what makes something of a value, or raises. It must make the same of the
            same value every time.
        length: how long a value may be to be remembered, in characters or octets.
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
    """A header field and what its value means; called with a request, it says which.

    Args:
        name: the field's name in any case, as RFC 9110 section 5.1 allows it, but
            without ``_``, which WSGI cannot tell from ``-``.
        parse: what makes something of the value, or raises. It must make the same of
            the same value every time, for the answer is remembered.
        joint: what stands between the values of a field that is repeated; a comma, as
            RFC 9110 section 5.3 says, if nothing else is said.
        length: how long a value may be for its meaning to be remembered, in octets.

    Raises:
        ConfigurationError: ``name`` is no such name.
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
                "a header's name is a str of letters, digits and '-', as in "
                "header(\"X-Tenant-ID\"); '_' is not allowed, since WSGI cannot tell it from '-'"
            )
        self.name = name
        self.varies_on: tuple[str, ...] = (name,)
        self._joint = joint
        self._known = Memo(parse, length)
        # Under WSGI a value comes as text. Memo as such, it needs no encoding.
        self._known_text: Memo[str, T] = Memo(lambda text: parse(self._octets(text)), length)
        self._name = name.lower().encode("ascii")
        self._length = len(self._name)
        key = name.upper().replace("-", "_")
        self._environ_key = key if key in _WITHOUT_PREFIX else f"HTTP_{key}"

    def __call__(self, request: Request) -> T | None:
        """Return what the field's value means; ``None`` where ``request`` has no such field.

        Raises:
            TenantResolutionError: the value is not what the transport allows, or
                ``parse`` refuses it.
        """
        if "headers" in request:
            found: bytes | None = None
            name: bytes
            value: bytes
            length = self._length
            for name, value in request["headers"]:
                # Servers need not lower the names (ASGI, "HTTP connection scope"); most
                # names differ in length already, which is the cheapest thing to compare.
                if len(name) == length and (name == self._name or name.lower() == self._name):
                    found = value if found is None else found + self._joint + value
            return None if found is None else self._known[found]
        # The server has joined the values, and has taken a field X_Tenant_ID, if it
        # lets that through, for X-Tenant-ID.
        text: str | None = request.get(self._environ_key)
        return None if text is None else self._known_text[text]

    def meaning(self, value: bytes | str) -> T:
        """Return what a value of the field means.

        Raises:
            TenantResolutionError: the value is not what the transport allows, or
                ``parse`` refuses it.
        """
        return self._known_text[value] if type(value) is str else self._known[value]  # type: ignore[index]

    def raw(self, request: Request) -> bytes | str | None:
        """Return the field's value as it came; ``None`` where ``request`` has no such field.

        It comes as bytes in ASGI, and in WSGI as text, a character for each of them. The
        same search as above, which is written out there since every request makes it.

        Raises:
            TenantResolutionError: the value is not what the transport allows.
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
    """Several header fields of different names, which are looked for in one pass.

    Args:
        fields: the fields.
    """

    __slots__ = ("_fields", "_lengths")

    def __init__(self, *fields: HeaderField[T]) -> None:
        self._fields = {field._name: field for field in fields}
        self._lengths = frozenset(map(len, self._fields))

    def __call__(self, request: Request) -> dict[HeaderField[T], Any]:
        """Return those of the fields that ``request`` has, with their values as they came."""
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
    """Return the part of the URL after ``?``, percent-encoded, a character for each octet.

    Raises:
        TenantResolutionError: it is not what the transport allows.
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
    """Return the address that the connection comes from; ``""`` where the server says none."""
    if "headers" in request:
        client = request.get("client")
        return str(client[0]) if client else ""
    return str(request.get("REMOTE_ADDR", ""))


def path(request: Request) -> str:
    """Return the path within the application, percent-decoded, without the mount point.

    That is ``PATH_INFO`` in WSGI, and in ASGI ``path`` less ``root_path`` (ASGI, "HTTP
    connection scope"), which older servers have already taken off.
    """
    full: str | None = request.get("path")
    if full is None:
        # PEP 3333, "Unicode Issues": bytes of the path, each as one latin-1 character.
        octets: bytes = request.get("PATH_INFO", "").encode("latin-1", "replace")
        return octets.decode("utf-8", "replace")
    root: str = request.get("root_path", "")
    if not full.startswith(root):
        return full
    inside = full[len(root) :]
    # "/apix" does not lie under "/api".
    return inside if not inside or inside[0] == "/" else full
