"""Read the tenant id from a subdomain of the application's domain."""

from __future__ import annotations

from collections.abc import Iterable

from tenantshield_mw.errors import ConfigurationError
from tenantshield_mw.host import FORWARDING_HEADERS, HostOf, domain_name, host_of
from tenantshield_mw.tenant import TenantContext

from .identifier import Kind, reader_for

__all__ = ["subdomain"]


def subdomain(
    *,
    of: str,
    ignore: Iterable[str] = ("www",),
    trusted_proxies: Iterable[str] = (),
    proxy_headers: Iterable[str] = FORWARDING_HEADERS,
    type: Kind = str,  # noqa: A002
) -> HostOf[TenantContext]:
    """Return a resolver that reads the tenant id from the host, one label below ``of``.

    With ``of="example.com"``, the host ``acme.example.com`` names the tenant ``acme``, in
    any case, with any port, with or without a trailing dot. ``example.com`` itself,
    ``a.b.example.com``, ``evil-example.com`` and IP addresses name no tenant. The tenant id
    of an international label is its DNS form, ``xn--...``.

    Args:
        of: the domain; an international one in Unicode or in its DNS form.
        ignore: labels that are not tenants.
        trusted_proxies: addresses and networks of the proxies whose ``X-Forwarded-Host``
            and ``Forwarded`` are read. They must set these headers or drop the client's.
        proxy_headers: those of the two headers that these proxies set.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: an argument is invalid.
    """
    below = f".{domain_name(of)}"
    read = reader_for(type)
    if isinstance(ignore, str):
        raise ConfigurationError('ignore must be an iterable of labels, as in ignore=("www",)')
    ignored = frozenset(domain_name(label) for label in ignore)

    def parse(host: str) -> TenantContext | None:
        label = host.removesuffix(below)
        if label == host or "." in label or label in ignored:
            return None
        return TenantContext(read(label))

    return host_of(trusted_proxies, proxy_headers, parse)
