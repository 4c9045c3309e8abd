"""The tenant that a domain of the tenant's own stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, final

from tenantshield_mw.context import as_tenant_context
from tenantshield_mw.errors import ConfigurationError, TenantResolutionError
from tenantshield_mw.host import FORWARDING_HEADERS, HostOf, domain_name, host_of
from tenantshield_mw.request import Request
from tenantshield_mw.tenant import TenantContext, TenantId

__all__ = ["Domains", "LookedUpDomain", "domain"]

Domains: TypeAlias = Mapping[str, TenantContext | TenantId] | Callable[[str], Any]
"""Tenants by domain, or what finds them."""


@final
class LookedUpDomain:
    """What :func:`domain` returns for a callable, which is asked for each request."""

    __slots__ = ("_find", "_host", "varies_on")

    def __init__(self, find: Callable[[str], Any], host: HostOf[str]) -> None:
        self._find = find
        self._host = host
        self.varies_on = host.varies_on

    def __call__(self, request: Request) -> Any:
        """Return the tenant, or what to await for it; ``None`` for a domain of nobody.

        Raises:
            TenantResolutionError: the host is no host.
        """
        host = self._host(request)
        return None if host is None else self._find(host)


def _by_name(domains: Mapping[str, TenantContext | TenantId]) -> dict[str, TenantContext]:
    found: dict[str, TenantContext] = {}
    for name, tenant in domains.items():
        try:
            context = as_tenant_context(tenant)
        except TenantResolutionError as error:
            raise ConfigurationError(f"a tenant in domain()'s mapping is none: {error}") from None
        if found.setdefault(domain_name(name), context) != context:
            raise ConfigurationError(
                "domain()'s mapping gives one domain, in two spellings, to two tenants"
            )
    return found


def domain(
    domains: Domains,
    *,
    trusted_proxies: Iterable[str] = (),
    proxy_headers: Iterable[str] = FORWARDING_HEADERS,
) -> HostOf[TenantContext] | LookedUpDomain:
    """Return a resolver that finds the tenant by the host that the request is for.

    Args:
        domains: a mapping, which is copied, from domain to tenant id or
            :class:`~tenantshield_mw.TenantContext`; or a callable, under ASGI sync or
            async, that takes the host and returns one of these or ``None``. The host comes
            in lower case, without port and dot at the end, an international one in the
            form that DNS has for it; it may be an IP address. Keys may be in any form.
        trusted_proxies: addresses and networks of the proxies that may name the host in
            ``X-Forwarded-Host`` or ``Forwarded``. They must set these or drop the client's.
        proxy_headers: which of the two these proxies set, where it is not both.

    Raises:
        ConfigurationError: an argument is not one of these.
    """
    if isinstance(domains, Mapping):
        return host_of(trusted_proxies, proxy_headers, _by_name(domains).get)
    if callable(domains):
        return LookedUpDomain(domains, host_of(trusted_proxies, proxy_headers, lambda host: host))
    raise ConfigurationError(
        'domain() takes a mapping, as in {"shop.acme.test": "acme"}, or a callable '
        "that takes the domain and returns the tenant or None"
    )
