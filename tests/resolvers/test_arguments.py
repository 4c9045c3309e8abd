"""The valid arguments of resolvers, and what they require of the request."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw import ConfigurationError, TenantResolutionError, resolvers

from ..core.calling import as_environ


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        *[(resolvers.query, {"name": name}) for name in ("", None, b"tenant", "a\nb")],
        (resolvers.query, {"name": "tenant", "type": float}),
        *[(resolvers.session, {"key": key}) for key in ("", None, 7)],
        (resolvers.session, {"key": "tenant", "type": bool}),
        *[(resolvers.principal, {"attribute": name}) for name in ("", None, "a.b", "a b")],
        (resolvers.principal, {"attribute": "tenant", "type": None}),
        *[
            (resolvers.path_prefix, {"pattern": pattern})
            for pattern in (
                *("", "/", "t/{tenant}", "/t", "/t/{tenant}/", "/t/{tenant", "/t/x{tenant}"),
                *("/{tenant}/{tenant}", "//{tenant}", "/t/{other}", "/../{tenant}", "/ü/{tenant}"),
                *("/%74/{tenant}", "/a b/{tenant}", None, b"/{tenant}", "/t/{tenant}\n"),
            )
        ],
        (resolvers.path_prefix, {"type": float}),
        *[
            (resolvers.subdomain, {"of": of})
            for of in (
                *("", ".", "example.com:8000", "https://example.com", "a b", "10.0.0.1", "[::1]"),
                *("*.example.com", "example..com", None, b"example.com", "straße.example", "xn--"),
                *("ü" * 70 + ".example", "\u200b"),
            )
        ],
        (resolvers.subdomain, {"of": "example.com", "ignore": "www"}),
        (resolvers.subdomain, {"of": "example.com", "ignore": ("a b",)}),
        (resolvers.subdomain, {"of": "example.com", "type": float}),
        *[
            (maker, {**first, "trusted_proxies": trusted})
            for maker, first in (
                (resolvers.subdomain, {"of": "example.com"}),
                (resolvers.domain, {"domains": {}}),
            )
            for trusted in ("10.0.0.1", None, ["10.0.0.1/8"], ["proxy"], [7], [b"\x0a\0\0\1"], [""])
        ],
        (resolvers.subdomain, {"of": "example.com", "proxy_headers": "Forwarded"}),
        (resolvers.subdomain, {"of": "example.com", "proxy_headers": ["X-Forwarded-For"]}),
        (resolvers.subdomain, {"of": "example.com", "proxy_headers": [7]}),
        (resolvers.domain, {"domains": None}),
        (resolvers.domain, {"domains": {"": "acme"}}),
        (resolvers.domain, {"domains": {"shop.test": ""}}),
        (resolvers.domain, {"domains": {"shop.test": "acme", "SHOP.test.": "globex"}}),
        (resolvers.domain, {"domains": {"shop.test:80": "acme"}}),
        *[
            (resolvers.client_certificate, {"attribute": name})
            for name in ("", "C N", None, "2.5.4.3")
        ],
        (resolvers.client_certificate, {"subject": "HTTP_X_SUBJECT"}),
        (resolvers.client_certificate, {"verified": "HTTP_X_VERIFIED"}),
        (resolvers.client_certificate, {"subject": ""}),
        (resolvers.client_certificate, {"type": float}),
        (resolvers.api_key, {"header": "X-API-Key", "lookup": None}),
        (resolvers.api_key, {"header": "X API Key", "lookup": str}),
        (resolvers.api_key, {"header": None, "lookup": str}),
    ],
)
def test_other_arguments_are_refused(make: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        make(**arguments)


@pytest.mark.parametrize(
    ("resolver", "variable"),
    [
        (resolvers.query("tenant"), "QUERY_STRING"),
        (resolvers.cookie("tenant"), "HTTP_COOKIE"),
        (resolvers.subdomain(of="example.com"), "HTTP_HOST"),
        (resolvers.api_key("X-API-Key", str), "HTTP_X_API_KEY"),
    ],
)
def test_a_value_that_is_not_latin_1_is_refused(resolver: Any, variable: str) -> None:
    environ = {**as_environ(), variable: "tenant=acme\u20ac"}
    with pytest.raises(TenantResolutionError, match="latin-1"):
        resolver(environ)
