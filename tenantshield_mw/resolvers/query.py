"""The tenant that a parameter of the query names."""

from __future__ import annotations

from typing import Final, final
from urllib.parse import unquote_to_bytes

from tenantshield_mw.errors import ConfigurationError, TenantResolutionError
from tenantshield_mw.request import Remembered, Request, query_string
from tenantshield_mw.tenant import TenantContext

from .identifier import Kind, reader_of

__all__ = ["QueryParameter", "query"]


def _decoded(text: bytes) -> bytes:
    # The form that WHATWG's URL standard calls application/x-www-form-urlencoded.
    return unquote_to_bytes(text.replace(b"+", b" "))


@final
class QueryParameter:
    """What :func:`query` returns."""

    __slots__ = ("_known", "_name")

    varies_on: Final = ()

    def __init__(self, name: str, kind: Kind) -> None:
        if not isinstance(name, str) or not name or not name.isprintable():
            raise ConfigurationError('query() takes the parameter\'s name, as in query("tenant")')
        read = reader_of(kind)
        self._name = name.encode()
        self._known: Remembered[bytes, TenantContext] = Remembered(
            lambda value: TenantContext(read(value.decode("latin-1")))
        )

    def __call__(self, request: Request) -> TenantContext | None:
        """Return the tenant; ``None`` where the query has no such parameter.

        Raises:
            TenantResolutionError: the value names no tenant, or there are several.
        """
        octets = query_string(request)
        if not octets:
            return None
        name = self._name
        # "in" takes twice as long on bytes.
        encoded = octets.find(b"%") >= 0 or octets.find(b"+") >= 0
        first: bytes | None = None
        for field in octets.split(b"&"):
            key, _, value = field.partition(b"=")
            if encoded:
                key, value = _decoded(key), _decoded(value)
            if key == name:
                if first is not None and first != value:
                    raise TenantResolutionError("the query names the tenant twice, differently")
                first = value
        return None if first is None else self._known[first]


def query(
    name: str,
    *,
    type: Kind = str,  # noqa: A002
) -> QueryParameter:
    """Return a resolver that reads the tenant id from a parameter of the query.

    Anybody can write any URL: use it together with ``authorize=``. A parameter that is
    repeated with one value counts once, with different values it is refused.

    Args:
        name: the parameter's name, decoded; case matters.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: ``name`` or ``type`` is not one of these.
    """
    return QueryParameter(name, type)
