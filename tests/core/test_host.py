"""The host of a request, and the proxies that may name another."""

from __future__ import annotations

from typing import Any

from tenantshield_mw import resolvers

from ..resolvers.sending import (
    Cases,
    Outcome,
    Sent,
    assert_outcome,
    each_case,
    malformed,
    proxied,
    ran,
)

THROUGH_PROXY = resolvers.subdomain(of="example.com", trusted_proxies=["10.0.0.0/8", "::1"])
THROUGH_XFH = resolvers.subdomain(
    of="example.com", trusted_proxies=["10.0.0.0/8"], proxy_headers=["X-Forwarded-Host"]
)

CASES: Cases = {
    "subdomain behind proxies": (
        THROUGH_PROXY,
        [
            (proxied(), ran("inner")),
            (proxied(("x-forwarded-host", "acme.example.com:443")), ran("acme")),
            (proxied(("x-forwarded-host", "ACME.example.com"), client="::1"), ran("acme")),
            (
                proxied(("x-forwarded-host", "acme.example.com"), client="::ffff:10.0.0.1"),
                ran("acme"),
            ),
            (proxied(("x-forwarded-host", "acme.example.com"), client="11.0.0.1"), ran("inner")),
            (proxied(("x-forwarded-host", "acme.example.com"), client=""), ran("inner")),
            (proxied(("x-forwarded-host", "acme.example.com"), client="unix:"), ran("inner")),
            (
                proxied(("x-forwarded-host", "acme.example.com, acme.example.com.:80")),
                ran("acme"),
            ),
            (proxied(("x-forwarded-host", "acme.example.com, x.example.com")), malformed),
            (
                proxied(
                    ("x-forwarded-host", "acme.example.com"),
                    ("x-forwarded-host", "x.example.com"),
                ),
                malformed,
            ),
            (proxied(("x-forwarded-host", "")), malformed),
            (proxied(("forwarded", "host=acme.example.com")), ran("acme")),
            (proxied(("forwarded", "for=1.2.3.4;Host=acme.example.com;proto=https")), ran("acme")),
            (proxied(("forwarded", 'host="acme.example.com:443"')), ran("acme")),
            (
                proxied(("forwarded", 'for="a,b;host=x.example.com";host=acme.example.com')),
                ran("acme"),
            ),
            (proxied(("forwarded", "for=1.2.3.4")), ran("inner")),
            # The last element is from the trusted proxy, the one before it may be forged.
            (
                proxied(
                    ("forwarded", "host=globex.example.com, for=1.2.3.4;host=acme.example.com")
                ),
                ran("acme"),
            ),
            (proxied(("forwarded", "host=globex.example.com, for=1.2.3.4")), ran("inner")),
            (
                proxied(
                    ("forwarded", "for=1.2.3.4;host=acme.example.com"),
                    ("forwarded", "for=10.9.9.9"),
                ),
                ran("acme"),
            ),
            (
                proxied(("forwarded", 'host=acme.example.com, for="[::1]:80"')),
                ran("acme"),
            ),
            (
                proxied(("forwarded", "host=acme.example.com, for=10.9.9.9;host=x.example.com")),
                malformed,
            ),
            (proxied(("forwarded", "host=acme.example.com;host=x.example.com")), malformed),
            (proxied(("forwarded", "host")), malformed),
            (proxied(("forwarded", 'host="acme.example.com')), malformed),
            (proxied(("forwarded", "host=acme.example.com x")), malformed),
            (
                proxied(
                    ("forwarded", "host=acme.example.com"),
                    ("x-forwarded-host", "acme.example.com"),
                ),
                ran("acme"),
            ),
            (
                proxied(
                    ("forwarded", "host=acme.example.com"),
                    ("x-forwarded-host", "globex.example.com"),
                ),
                malformed,
            ),
        ],
    ),
    "subdomain behind proxies that set one header": (
        THROUGH_XFH,
        [
            (proxied(("forwarded", "host=globex.example.com")), ran("inner")),
            (
                proxied(
                    ("forwarded", "host=globex.example.com"),
                    ("x-forwarded-host", "acme.example.com"),
                ),
                ran("acme"),
            ),
        ],
    ),
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)
