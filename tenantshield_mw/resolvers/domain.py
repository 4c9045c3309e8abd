"""Find the tenant by its own domain."""

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
"""Tenants by domain, or a callable that looks them up."""


@final
class LookedUpDomain:
    """What :func:`domain` returns for a callable, which is called for each request."""

    __slots__ = ("_find", "_host", "varies_on")

    def __init__(self, find: Callable[[str], Any], host: HostOf[str]) -> None:
        self._find = find
        self._host = host
        self.varies_on = host.varies_on

    def __call__(self, request: Request) -> Any:
        """Return the tenant or an awaitable of it; ``None`` if the domain is unknown.

        Raises:
            TenantResolutionError: the host is invalid.
        """
        host = self._host(request)
        return None if host is None else self._find(host)


def _by_name(domains: Mapping[str, TenantContext | TenantId]) -> dict[str, TenantContext]:
    found: dict[str, TenantContext] = {}
    for name, tenant in domains.items():
        try:
            context = as_tenant_context(tenant)
        except TenantResolutionError as error:
            raise ConfigurationError(f"domain()'s mapping has an invalid tenant: {error}") from None
        if found.setdefault(domain_name(name), context) != context:
            raise ConfigurationError(
                "domain()'s mapping has one domain in two spellings, for two tenants"
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
        domains: a mapping from domain to tenant id or
            :class:`~tenantshield_mw.TenantContext`, which is copied; its keys may be in any
            form. Or a callable, which may be async under ASGI, that takes the host and
            returns one of these or ``None``. It gets the host in lower case, without port
            and trailing dot, an international one in its DNS form (``xn--...``); it may be
            an IP address.
        trusted_proxies: addresses and networks of the proxies whose ``X-Forwarded-Host``
            and ``Forwarded`` are read. They must set these headers or drop the client's.
        proxy_headers: those of the two headers that these proxies set.

    Raises:
        ConfigurationError: an argument is invalid.
    """
    if isinstance(domains, Mapping):
        return host_of(trusted_proxies, proxy_headers, _by_name(domains).get)
    if callable(domains):
        return LookedUpDomain(domains, host_of(trusted_proxies, proxy_headers, lambda host: host))
    raise ConfigurationError(
        'domain() takes a mapping, as in {"shop.acme.test": "acme"}, or a callable '
        "that takes the host and returns the tenant or None"
    )
