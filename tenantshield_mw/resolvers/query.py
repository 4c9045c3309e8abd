"""Read the tenant id from a query parameter."""

from __future__ import annotations

from typing import Final, final
from urllib.parse import unquote_to_bytes

from tenantshield_mw.errors import ConfigurationError, TenantResolutionError
from tenantshield_mw.request import Memo, Request, query_string
from tenantshield_mw.tenant import TenantContext

from .identifier import Kind, reader_for

__all__ = ["QueryParameter", "query"]


# Characters that a name may hold only percent-encoded.
_DELIMITERS: Final = frozenset("&=%+")


def _decoded(text: str) -> str:
    # WHATWG URL Standard, "application/x-www-form-urlencoded parsing".
    if "%" not in text and "+" not in text:
        return text
    return unquote_to_bytes(text.replace("+", " ").encode("latin-1")).decode("latin-1")


@final
class QueryParameter:
    """What :func:`query` returns."""

    __slots__ = ("_beginning", "_is_plain", "_known", "_name")

    varies_on: Final = ()

    def __init__(self, name: str, kind: Kind) -> None:
        if not isinstance(name, str) or not name or not name.isprintable():
            raise ConfigurationError('query() takes the name of a parameter, as in query("tenant")')
        read = reader_for(kind)
        # In the form of query_string(): one character per octet.
        self._name = name.encode().decode("latin-1")
        self._is_plain = _DELIMITERS.isdisjoint(name)
        self._beginning = f"{self._name}="
        self._known: Memo[str, TenantContext] = Memo(lambda value: TenantContext(read(value)))

    def __call__(self, request: Request) -> TenantContext | None:
        """Return the tenant; ``None`` if the query string has no such parameter.

        Raises:
            TenantResolutionError: the value names no tenant, or the parameter is repeated
                with different values.
        """
        text = query_string(request)
        if not text:
            return None
        if self._is_plain and "%" not in text and "+" not in text:
            name = self._name
            before, found, after = text.partition(self._beginning)
            if name not in before and name not in after:
                # The name occurs at most once, so the other parameters need not be parsed.
                if not found:
                    return None
                if not before or before[-1] == "&":
                    return self._known[after.partition("&")[0] if "&" in after else after]
        value = self._among(text)
        return None if value is None else self._known[value]

    def _among(self, text: str) -> str | None:
        first: str | None = None
        for field in text.split("&"):
            key, _, value = field.partition("=")
            if _decoded(key) == self._name:
                value = _decoded(value)
                if first is not None and first != value:
                    raise TenantResolutionError(
                        "the tenant's query parameter is repeated with different values"
                    )
                first = value
        return first


def query(
    name: str,
    *,
    type: Kind = str,  # noqa: A002
) -> QueryParameter:
    """Return a resolver that reads the tenant id from a query parameter.

    A client can send any URL: use it together with ``authorize=``. A parameter that is
    repeated with the same value counts once; with different values it is refused.

    Args:
        name: the parameter's name, percent-decoded and case-sensitive.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: ``name`` or ``type`` is invalid.
    """
    return QueryParameter(name, type)
