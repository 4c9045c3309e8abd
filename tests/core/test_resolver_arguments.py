"""What resolvers may be configured with, and what the request must come with."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw import (
    PRINCIPAL_KEY,
    SESSION_KEY,
    ConfigurationError,
    TenantContext,
    TenantResolutionError,
    api_key,
    client_certificate,
    cookie,
    domain,
    path_prefix,
    principal,
    query,
    session,
    subdomain,
)

from .calling import as_environ, http_scope


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        *[(query, {"name": name}) for name in ("", None, b"tenant", "a\nb")],
        (query, {"name": "tenant", "type": float}),
        *[(session, {"key": key}) for key in ("", None, 7)],
        (session, {"key": "tenant", "type": bool}),
        *[(principal, {"attribute": name}) for name in ("", None, "a.b", "a b")],
        (principal, {"attribute": "tenant", "type": None}),
        *[
            (path_prefix, {"pattern": pattern})
            for pattern in (
                *("", "/", "t/{tenant}", "/t", "/t/{tenant}/", "/t/{tenant", "/t/x{tenant}"),
                *("/{tenant}/{tenant}", "//{tenant}", "/t/{other}", "/../{tenant}", "/ü/{tenant}"),
                *("/%74/{tenant}", "/a b/{tenant}", None, b"/{tenant}", "/t/{tenant}\n"),
            )
        ],
        (path_prefix, {"type": float}),
        *[
            (subdomain, {"of": of})
            for of in (
                *("", ".", "example.com:8000", "https://example.com", "a b", "10.0.0.1", "[::1]"),
                *("*.example.com", "example..com", None, b"example.com", "straße.example", "xn--"),
                *("ü" * 70 + ".example", "\u200b"),
            )
        ],
        (subdomain, {"of": "example.com", "ignore": "www"}),
        (subdomain, {"of": "example.com", "ignore": ("a b",)}),
        (subdomain, {"of": "example.com", "type": float}),
        *[
            (maker, {**first, "trusted_proxies": trusted})
            for maker, first in ((subdomain, {"of": "example.com"}), (domain, {"domains": {}}))
            for trusted in ("10.0.0.1", None, ["10.0.0.1/8"], ["proxy"], [7], [b"\x0a\0\0\1"], [""])
        ],
        (subdomain, {"of": "example.com", "proxy_headers": "Forwarded"}),
        (subdomain, {"of": "example.com", "proxy_headers": ["X-Forwarded-For"]}),
        (subdomain, {"of": "example.com", "proxy_headers": [7]}),
        (domain, {"domains": None}),
        (domain, {"domains": {"": "acme"}}),
        (domain, {"domains": {"shop.test": ""}}),
        (domain, {"domains": {"shop.test": "acme", "SHOP.test.": "globex"}}),
        (domain, {"domains": {"shop.test:80": "acme"}}),
        *[(client_certificate, {"attribute": name}) for name in ("", "C N", None, "2.5.4.3")],
        (client_certificate, {"subject": "HTTP_X_SUBJECT"}),
        (client_certificate, {"verified": "HTTP_X_VERIFIED"}),
        (client_certificate, {"subject": ""}),
        (client_certificate, {"type": float}),
        (api_key, {"header": "X-API-Key", "lookup": None}),
        (api_key, {"header": "X API Key", "lookup": str}),
        (api_key, {"header": None, "lookup": str}),
    ],
)
def test_other_arguments_are_refused(make: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        make(**arguments)


@pytest.mark.parametrize("request_", [http_scope(), as_environ()])
@pytest.mark.parametrize("resolver", [session("tenant"), principal("tenant")])
def test_a_framework_that_has_not_run_yet_is_an_error_of_the_program(
    resolver: Any, request_: Any
) -> None:
    with pytest.raises(ConfigurationError, match="must run before"):
        resolver(request_)


def test_a_principal_without_the_attribute_is_an_error_of_the_program() -> None:
    with pytest.raises(ConfigurationError, match="'tenant_id'"):
        principal("tenant_id")(http_scope(user=object()))


def test_a_wsgi_framework_may_hand_over_what_opens_the_session() -> None:
    opened: list[int] = []

    def opening() -> dict[str, str]:
        opened.append(1)
        return {"tenant": "acme"}

    environ = {**as_environ(), SESSION_KEY: opening, PRINCIPAL_KEY: opening}
    assert session("tenant")(environ) == TenantContext("acme")
    assert principal("tenant")(environ) == TenantContext("acme")
    assert opened == [1, 1]


def test_a_domain_lookup_takes_the_name_that_dns_has() -> None:
    taken: list[str] = []
    resolver = domain(taken.append)
    for value in (b"Shop.Acme.TEST.:80", b"xn--BCHER-kva.test", b"[::1]:80", b"10.0.0.1"):
        resolver(http_scope(headers=[(b"host", value)]))
    assert taken == ["shop.acme.test", "xn--bcher-kva.test", "[::1]", "10.0.0.1"]


def test_a_server_that_names_no_tls_has_no_certificates() -> None:
    more: Any
    for more in ({}, {"extensions": None}, {"extensions": {}}, {"extensions": {"tls": {}}}):
        assert client_certificate()(http_scope(**more)) is None
    environ = as_environ(SSL_CLIENT_S_DN="CN=acme")
    assert client_certificate()(environ) is None


def test_the_environs_variables_may_have_other_names() -> None:
    resolver = client_certificate("O", subject="SUBJECT", verified="VERIFIED")
    environ = as_environ(SUBJECT="CN=x,O=acme", VERIFIED="SUCCESS", SSL_CLIENT_VERIFY="NONE")
    assert resolver(environ) == TenantContext("acme")


@pytest.mark.parametrize(
    ("resolver", "variable"),
    [
        (query("tenant"), "QUERY_STRING"),
        (cookie("tenant"), "HTTP_COOKIE"),
        (subdomain(of="example.com"), "HTTP_HOST"),
        (api_key("X-API-Key", str), "HTTP_X_API_KEY"),
    ],
)
def test_a_server_that_hands_on_more_than_bytes_is_refused(resolver: Any, variable: str) -> None:
    environ = {**as_environ(), variable: "tenant=acme\u20ac"}
    with pytest.raises(TenantResolutionError, match="latin-1"):
        resolver(environ)
