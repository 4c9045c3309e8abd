"""Read the tenant id from a request header."""

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

    A client can send any header. Use it only if a proxy sets the header and drops the
    client's, or together with ``authorize=``. A header that is repeated with the same value
    counts once; with different values it is refused. So a tenant id from a header has no
    comma, and it must be printable ASCII.

    To a WSGI app, a header ``X_Tenant_ID`` looks like ``X-Tenant-ID``. gunicorn, waitress
    and Werkzeug drop headers with an underscore; with other servers the proxy must. Under
    Granian, the client's ``X_Tenant_ID`` even replaces the ``X-Tenant-ID`` that the proxy has
    set.

    Args:
        name: the header's name, in any case; letters, digits and ``-``.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: ``name`` or ``type`` is invalid.
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
