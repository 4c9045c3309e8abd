"""The tenant that a subdomain names."""

from __future__ import annotations

from typing import Any

from tenantshield_mw import resolvers

from .sending import (
    Cases,
    Outcome,
    Sent,
    assert_outcome,
    each_case,
    fields,
    host,
    malformed,
    missing,
    ran,
    with_,
)

BELOW = resolvers.subdomain(of="example.com")

CASES: Cases = {
    "subdomain": (
        BELOW,
        [
            (host("acme.example.com"), ran("acme")),
            (host("acme.example.com:8000"), ran("acme")),
            (host("ACME.Example.COM"), ran("acme")),
            (host("acme.example.com."), ran("acme")),
            (host("acme.example.com.:443"), ran("acme")),
            (host("xn--mller-kva.example.com"), ran("xn--mller-kva")),
            (host("XN--MLLER-KVA.example.com"), ran("xn--mller-kva")),
            # A name of IDNA 2008 that IDNA 2003 does not have.
            (host("xn--strae-oqa.example.com"), ran("xn--strae-oqa")),
            (host("example.com"), missing),
            (host("www.example.com"), missing),
            (host("WWW.example.com"), missing),
            (host("evil-example.com"), missing),
            (host("acmeexample.com"), missing),
            (host("a.b.example.com"), missing),
            (host("acme.example.com.evil.test"), missing),
            (host("acme.example.org"), missing),
            (host("localhost:8000"), missing),
            (host("127.0.0.1:8000"), missing),
            (host("[::1]:8000"), missing),
            (host("[2001:db8::1]"), missing),
            (with_(), missing),
            (host(""), malformed),
            (host(".example.com"), malformed),
            (host("acme.example.com.."), malformed),
            (host("acme..example.com"), malformed),
            (host("-acme.example.com"), malformed),
            (host("acme-.example.com"), malformed),
            (host("x" * 64 + ".example.com"), malformed),
            (host("acme.example.com:port"), malformed),
            (host("acme.example.com:1:2"), malformed),
            (host("[::1.example.com"), malformed),
            (host("acme .example.com"), malformed),
            (host("acme.example.com/x"), malformed),
            (host("user@acme.example.com"), malformed),
            (host("müller.example.com"), malformed),
            (host("xn--mller-kv\u0430.example.com"), malformed),
            (host("xn--999999999.example.com"), malformed),
            (host("xn--acme-.example.com"), malformed),
            (host("acme.example.com,globex.example.com"), malformed),
            (
                fields(("host", "acme.example.com"), ("host", "globex.example.com")),
                malformed,
            ),
            # No proxies are trusted, so the headers are not read.
            (
                fields(("host", "acme.example.com"), ("x-forwarded-host", "globex.example.com")),
                ran("acme"),
            ),
            (
                fields(("host", "acme.example.com"), ("forwarded", "host=globex.example.com")),
                ran("acme"),
            ),
        ],
    ),
    "subdomain, int": (
        resolvers.subdomain(of="Example.COM.", ignore=(), type=int),
        [(host("42.example.com"), ran(42)), (host("www.example.com"), malformed)],
    ),
    "subdomain of an international domain": (
        resolvers.subdomain(of="bücher.example"),
        [(host("acme.xn--bcher-kva.example"), ran("acme"))],
    ),
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)
