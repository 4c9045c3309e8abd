"""The tenant that a parameter of the query names."""

from __future__ import annotations

from typing import Final, final
from urllib.parse import unquote_to_bytes

from tenantshield_mw.errors import ConfigurationError, TenantResolutionError
from tenantshield_mw.request import Request, query_string, remembered
from tenantshield_mw.tenant import TenantContext

from .identifier import Kind, reader_of

__all__ = ["QueryParameter", "query"]


def _decoded(text: bytes) -> bytes:
    # The form that WHATWG's URL standard calls application/x-www-form-urlencoded.
    return unquote_to_bytes(text.replace(b"+", b" "))


@final
class QueryParameter:
    """What :func:`query` returns."""

    __slots__ = ("_judge", "_name")

    varies_on: Final = ()

    def __init__(self, name: str, kind: Kind) -> None:
        if not isinstance(name, str) or not name or not name.isprintable():
            raise ConfigurationError('query() takes the parameter\'s name, as in query("tenant")')
        read = reader_of(kind)
        self._name = name.encode()
        self._judge = remembered(
            lambda value: TenantContext(read(_decoded(value).decode("latin-1")))
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
        found: bytes | None = None
        for field in octets.split(b"&"):
            key, _, value = field.partition(b"=")
            if key != name and ((b"%" not in key and b"+" not in key) or _decoded(key) != name):
                continue
            if found is not None and found != value and _decoded(found) != _decoded(value):
                raise TenantResolutionError("the query names the tenant twice, differently")
            found = value
        return None if found is None else self._judge(found)


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
