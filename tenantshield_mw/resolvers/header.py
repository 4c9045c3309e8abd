"""The tenant that a request header names."""

from __future__ import annotations

from tenantshield_mw.errors import TenantResolutionError
from tenantshield_mw.request import HeaderField
from tenantshield_mw.tenant import TenantContext

from .identifier import Kind, reader_for

__all__ = ["header"]


def header(
    name: str,
    *,
    type: Kind = str,  # noqa: A002
) -> HeaderField[TenantContext]:
    """Return a resolver that reads the tenant id from a request header.

    Only for headers that the caller cannot choose freely: set by a proxy that drops
    the client's own, or checked against who the client is. A header that is repeated
    with one value counts once, with different values it is refused; so a tenant id
    read from a header has no comma, and it is printable ASCII.

    A WSGI server that lets ``X_Tenant_ID`` through hands it on as ``X-Tenant-ID``;
    gunicorn, waitress and Werkzeug drop such names. Where the server does not, the
    proxy must.

    Args:
        name: the header's name, in any case; letters, digits and ``-``.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: ``name`` or ``type`` is not one of these.
    """
    read = reader_for(type)

    def parse(value: bytes) -> TenantContext:
        first, *others = value.split(b",")
        if others:
            first = first.rstrip(b" \t")
            if any(other.strip(b" \t") != first for other in others):
                raise TenantResolutionError(f"the header {name} is repeated with different values")
        return TenantContext(read(first.decode("latin-1")))

    return HeaderField(name, parse)
