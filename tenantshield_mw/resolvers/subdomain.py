"""The tenant that the host names below a domain of one's own."""

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

    ``acme.example.com`` is the tenant ``acme`` of ``example.com``, in any case, with any
    port, with or without a dot at the end. The domain itself, ``a.b.example.com``,
    ``evil-example.com`` and IP addresses name no tenant. An international label is read
    in the form that DNS has for it, ``xn--...``.

    Args:
        of: the domain, in either form of an international one.
        ignore: labels that are no tenants.
        trusted_proxies: addresses and networks of the proxies that may name the host in
            ``X-Forwarded-Host`` or ``Forwarded``. They must set these or drop the client's.
        proxy_headers: which of the two these proxies set, where it is not both.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: an argument is not one of these.
    """
    below = f".{domain_name(of)}"
    read = reader_for(type)
    if isinstance(ignore, str):
        raise ConfigurationError('ignore is an iterable of labels, as in ignore=("www",)')
    ignored = frozenset(domain_name(label) for label in ignore)

    def parse(host: str) -> TenantContext | None:
        label = host.removesuffix(below)
        if label == host or "." in label or label in ignored:
            return None
        return TenantContext(read(label))

    return host_of(trusted_proxies, proxy_headers, parse)
