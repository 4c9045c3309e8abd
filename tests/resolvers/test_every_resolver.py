"""Every resolver: the same request gets the same tenant or refusal through both middlewares."""

from __future__ import annotations

import hashlib
import time
from typing import Any
from uuid import UUID

import pytest

from tenantshield_mw import TenantContext, TenantState, resolvers

from .sending import Outcome, Sent, malformed, missing, outcome, ran, refused
from .tokens import EC_KEY, RSA_KEY, SECRET, public_pem, token

SOME_UUID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
PROXY = "10.0.0.1"
# Created when the tests are collected, which may be long before they run.
SIGNED = resolvers.cookie("tenant", secret=SECRET, max_age=86_400)
SIGNED_INT = resolvers.cookie("tenant", secret=SECRET, type=int)
SIGNED_UUID = resolvers.cookie("tenant", secret=SECRET, type=UUID)
FOREIGN = resolvers.cookie("other", secret=SECRET)
KEYS = {hashlib.sha256(b"key-of-acme").hexdigest(): "acme"}
INVALID_TOKEN = refused(401, "tenant_unauthenticated", 'Bearer error="invalid_token"')
NOBODYS_KEY = refused(401, "tenant_unauthenticated", "ApiKey")


class User:
    def __init__(self, tenant_id: Any, *, is_authenticated: bool = True) -> None:
        self.tenant_id = tenant_id
        self.is_authenticated = is_authenticated


def at(target: str) -> Sent:
    return Sent(target.encode())


def with_(**fields: str) -> Sent:
    """Return a request with these header fields; ``_`` in a name stands for ``-``."""
    return Sent(
        headers=tuple(
            (name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()
        )
    )


def fields(*each: tuple[str, str], **more: Any) -> Sent:
    return Sent(headers=tuple((name.encode(), value.encode()) for name, value in each), **more)


def host(name: str) -> Sent:
    return fields(("host", name))


def proxied(*each: tuple[str, str], client: str = PROXY) -> Sent:
    return fields(("host", "inner.example.com"), *each, client=client)


def bearer(value: bytes) -> Sent:
    return Sent(headers=((b"authorization", b"Bearer " + value),))


BELOW = resolvers.subdomain(of="example.com")
THROUGH_PROXY = resolvers.subdomain(of="example.com", trusted_proxies=["10.0.0.0/8", "::1"])
THROUGH_XFH = resolvers.subdomain(
    of="example.com", trusted_proxies=["10.0.0.0/8"], proxy_headers=["X-Forwarded-Host"]
)
OWN_DOMAINS = resolvers.domain({"shop.acme.test": "acme", "BÜCHER.test.": TenantContext(7)})
TOKEN = resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"], audience="us", issuer="issuer")
BOTH = resolvers.agree(resolvers.header("X-Tenant-ID"), resolvers.query("tenant"))
EITHER = resolvers.first_of(
    resolvers.header("X-Tenant-ID"), resolvers.query("tenant"), resolvers.path_prefix()
)

CASES: dict[str, tuple[Any, list[tuple[Sent, Outcome]]]] = {
    "header": (
        resolvers.header("X-Tenant-ID"),
        [
            (with_(x_tenant_id="acme"), ran("acme")),
            (with_(), missing),
            (with_(x_tenant_id=""), malformed),
        ],
    ),
    "query": (
        resolvers.query("tenant"),
        [
            (at("/?tenant=acme"), ran("acme")),
            (at("/x?a=b&tenant=acme&c"), ran("acme")),
            (at("/?tenant=a%63me"), ran("acme")),
            (at("/?%74enant=acme"), ran("acme")),
            (at("/?tenant=a+b"), ran("a b")),
            (at("/?tenant=a%20b"), ran("a b")),
            (at("/?tenant=acme&tenant=acme"), ran("acme")),
            (at("/?tenant=acme&tenant=ac%6De"), ran("acme")),
            (at("/?tenant=acme&tenant=globex"), malformed),
            (at("/?tenant=acme&%74enant=globex"), malformed),
            (at("/?tenant=acme&tenant="), malformed),
            (at("/?tenant=acme&tenant"), malformed),
            (at("/"), missing),
            (at("/?"), missing),
            (at("/?Tenant=acme&tenants=acme&xtenant=acme"), missing),
            (at("/?a;tenant=acme"), missing),
            (at("/?tenant"), malformed),
            (at("/?tenant="), malformed),
            (at("/?tenant=%00"), malformed),
            (at("/?tenant=m%C3%BCller"), malformed),
            (at("/?tenant=m\xfcller"), malformed),
            (at("/?tenant=" + "x" * 256), malformed),
        ],
    ),
    "query, int": (
        resolvers.query("tenant", type=int),
        [(at("/?tenant=42"), ran(42)), (at("/?tenant=042"), malformed)],
    ),
    "query, a name that needs encoding": (
        resolvers.query("die müller"),
        [
            (at("/?die+m%C3%BCller=acme"), ran("acme")),
            (at("/?die%20m%c3%bcller=acme"), ran("acme")),
        ],
    ),
    "cookie": (
        resolvers.cookie("tenant"),
        [
            (with_(cookie="tenant=acme"), ran("acme")),
            (with_(cookie="a=b; tenant=acme;c=d"), ran("acme")),
            (with_(cookie='tenant="acme"'), ran("acme")),
            (fields(("cookie", "a=b"), ("cookie", "tenant=acme")), ran("acme")),
            (with_(cookie="tenant=acme; tenant=acme"), ran("acme")),
            (with_(cookie="tenant=acme; tenant=globex"), malformed),
            (fields(("cookie", "tenant=acme"), ("cookie", "tenant=globex")), malformed),
            (with_(cookie="tenant=acme,globex"), malformed),
            (with_(cookie="tenant=a b"), malformed),
            (with_(cookie="tenant="), malformed),
            (with_(cookie='tenant="'), malformed),
            (with_(cookie="tenant=müller"), malformed),
            (with_(cookie="Tenant=acme; xtenant=acme; tenant"), missing),
            (with_(cookie=""), missing),
            (with_(), missing),
        ],
    ),
    "signed cookie": (
        SIGNED,
        [
            (with_(cookie=f"tenant={SIGNED.sign('acme')}"), ran("acme")),
            (with_(cookie=f"tenant={SIGNED.sign('müller & co')}"), ran("müller & co")),
            (with_(cookie="tenant=acme"), malformed),
            (with_(cookie=f"tenant={SIGNED.sign('acme')}x"), malformed),
            (with_(cookie=f"tenant=x{SIGNED.sign('acme')}"), malformed),
            (with_(cookie=f"tenant={FOREIGN.sign('acme')}"), malformed),
            (with_(cookie=f"tenant={SIGNED_INT.sign(7)}"), malformed),
            (with_(cookie="tenant="), malformed),
            (with_(), missing),
        ],
    ),
    "signed cookie, int": (
        SIGNED_INT,
        [(with_(cookie=f"tenant={SIGNED_INT.sign(7)}"), ran(7))],
    ),
    "signed cookie, UUID": (
        SIGNED_UUID,
        [(with_(cookie=f"tenant={SIGNED_UUID.sign(SOME_UUID)}"), ran(SOME_UUID))],
    ),
    "session": (
        resolvers.session("tenant"),
        [
            (Sent(session={"tenant": "acme"}), ran("acme")),
            (Sent(session={"tenant": "müller"}), ran("müller")),
            (Sent(session={}), missing),
            (Sent(session={"tenant": None}), missing),
            (Sent(session={"tenant": ""}), malformed),
            (Sent(session={"tenant": 7}), malformed),
            (Sent(session={"tenant": ["acme"]}), malformed),
        ],
    ),
    "session, UUID": (
        resolvers.session("tenant", type=UUID),
        [
            (Sent(session={"tenant": str(SOME_UUID)}), ran(SOME_UUID)),
            (Sent(session={"tenant": SOME_UUID}), ran(SOME_UUID)),
            (Sent(session={"tenant": "acme"}), malformed),
            (Sent(session={"tenant": 7}), malformed),
        ],
    ),
    "session, int": (
        resolvers.session("tenant", type=int),
        [
            (Sent(session={"tenant": 7}), ran(7)),
            (Sent(session={"tenant": "7"}), ran(7)),
            (Sent(session={"tenant": True}), malformed),
            (Sent(session={"tenant": 7.0}), malformed),
            (Sent(session={"tenant": 2**63}), malformed),
        ],
    ),
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
    "domain": (
        OWN_DOMAINS,
        [
            (host("shop.acme.test"), ran("acme")),
            (host("SHOP.acme.test.:8443"), ran("acme")),
            (host("xn--bcher-kva.test"), ran(7)),
            (host("acme.test"), missing),
            (host("x.shop.acme.test"), missing),
            (host("[::1]"), missing),
            (with_(), missing),
            (host("shop.acme.test@"), malformed),
        ],
    ),
    "domain, a lookup": (
        resolvers.domain(lambda name: "acme" if name == "shop.acme.test" else None),
        [(host("Shop.acme.test:80"), ran("acme")), (host("acme.test"), missing)],
    ),
    "path prefix": (
        resolvers.path_prefix(),
        [
            (at("/t/acme/invoices"), ran("acme", "/t/acme")),
            (at("/t/acme/"), ran("acme", "/t/acme")),
            (at("/t/acme"), ran("acme", "/t/acme")),
            (at("/t/a%63me/x"), ran("acme", "/t/acme")),
            (at("/t/a%20b/x"), malformed),
            (at("/t/acme/t/globex"), ran("acme", "/t/acme")),
            (at("/t/acme//x"), ran("acme", "/t/acme")),
            (Sent(b"/t/acme/x", root="/api"), ran("acme", "/t/acme")),
            (at("/"), missing),
            (at("/t"), missing),
            (at("/tt/acme"), missing),
            (at("/x/t/acme"), missing),
            (at("//t/acme"), missing),
            (at("/T/acme"), missing),
            (at("/t/"), malformed),
            (at("/t//x"), malformed),
            (at("/t/./x"), malformed),
            (at("/t/../x"), malformed),
            (at("/t/m%C3%BCller/x"), malformed),
            (at("/t/%FF/x"), malformed),
            (at("/t/acme%0A"), malformed),
            (at("/t/%00/x"), malformed),
        ],
    ),
    "path prefix, int": (
        resolvers.path_prefix("/api/{tenant}/v1", type=int),
        [
            (at("/api/42/v1/x"), ran(42, "/api/42/v1")),
            (at("/api/42/v1"), ran(42, "/api/42/v1")),
            (at("/api/42/v10"), missing),
            (at("/api/42"), missing),
            (at("/api/042/v1"), malformed),
        ],
    ),
    "principal": (
        resolvers.principal("tenant_id"),
        [
            (Sent(user=User("acme")), ran("acme")),
            (Sent(user=User(TenantContext("acme"))), ran("acme")),
            (Sent(user={"tenant_id": "acme"}), ran("acme")),
            (Sent(user={}), missing),
            (Sent(user=None), missing),
            (Sent(user=User(None)), missing),
            (Sent(user=User("acme", is_authenticated=False)), missing),
            (Sent(user=User("")), malformed),
            (Sent(user=User(7)), malformed),
            (Sent(user=User(TenantContext(7))), malformed),
        ],
    ),
    "client certificate": (
        resolvers.client_certificate(),
        [
            (Sent(subject="CN=acme,O=Customers"), ran("acme")),
            (Sent(subject="O=Customers, cn = acme "), ran("acme")),
            (Sent(subject="CN=acme+OU=a,O=b"), ran("acme")),
            (Sent(subject=r"O=x\,CN\=globex,CN=acme"), ran("acme")),
            (Sent(subject=r"O=x\2CCN=globex,CN=acme"), ran("acme")),
            (Sent(subject=r"CN=a\2C b"), ran("a, b")),
            (Sent(subject=r"CN=\61cme"), ran("acme")),
            (Sent(subject="CN=a=b"), ran("a=b")),
            (Sent(subject="CN=acme,CN=acme"), ran("acme")),
            (Sent(subject="CN=acme,CN=globex"), malformed),
            (Sent(subject="CN=acme,CN="), malformed),
            (Sent(subject="CN="), malformed),
            (Sent(subject=r"CN=acme\ "), malformed),
            (Sent(subject=r"CN=acme\\\ "), malformed),
            (Sent(subject=r"CN=acme\\ "), ran("acme\\")),
            (Sent(subject=r"CN=m\C3\BCller"), malformed),
            (Sent(subject="CN=#0C04"), malformed),
            (Sent(subject='CN="acme"'), malformed),
            (Sent(subject="/O=Customers/CN=acme"), malformed),
            (Sent(subject="CN=acme,"), malformed),
            (Sent(subject="CN=acme\\"), malformed),
            (Sent(subject="O=Customers"), missing),
            (Sent(), missing),
            (Sent(subject="CN=acme", certificate_fails=True), malformed),
            (Sent(certificate_fails=True), malformed),
            # A variable that a client can set is a header.
            (with_(ssl_client_s_dn="CN=acme", ssl_client_verify="SUCCESS"), missing),
        ],
    ),
    "API key": (
        resolvers.api_key("X-API-Key", KEYS.get),
        [
            (with_(x_api_key="key-of-acme"), ran("acme")),
            (with_(x_api_key=" key-of-acme "), ran("acme")),
            (with_(), missing),
            (with_(x_api_key="key-of-nobody"), NOBODYS_KEY),
            (with_(x_api_key=next(iter(KEYS))), NOBODYS_KEY),
            (with_(x_api_key=""), malformed),
            (with_(x_api_key="key-of-acme, key-of-acme"), malformed),
            (fields(("x-api-key", "key-of-acme"), ("x-api-key", "x")), malformed),
        ],
    ),
    "API key as a bearer token": (
        resolvers.api_key("Authorization", KEYS.get),
        [
            (with_(authorization="Bearer key-of-acme"), ran("acme")),
            (
                with_(authorization="Bearer x"),
                refused(401, "tenant_unauthenticated", "Bearer"),
            ),
            (with_(authorization="Basic a2V5"), missing),
        ],
    ),
    "JWT claim": (
        TOKEN,
        [
            (bearer(token(aud="us", iss="issuer")), ran("acme")),
            (with_(authorization="bearer " + token(aud="us", iss="issuer").decode()), ran("acme")),
            (bearer(token(aud=["others", "us"], iss="issuer", tenant="müller")), ran("müller")),
            (bearer(token(aud="others", iss="issuer")), INVALID_TOKEN),
            (bearer(token(iss="issuer")), INVALID_TOKEN),
            (bearer(token(aud="us", iss="others")), INVALID_TOKEN),
            (bearer(token(aud="us")), INVALID_TOKEN),
            (bearer(token(aud="us", iss="issuer", exp=int(time.time()) - 5)), INVALID_TOKEN),
            (bearer(token(aud="us", iss="issuer", nbf=int(time.time()) + 86_400)), INVALID_TOKEN),
            (
                bearer(token("another secret of thirty-two chars", aud="us", iss="issuer")),
                INVALID_TOKEN,
            ),
            (bearer(token(SECRET * 2, "HS512", aud="us", iss="issuer")), INVALID_TOKEN),
            (bearer(token(None, "none", aud="us", iss="issuer")), INVALID_TOKEN),
            (bearer(token(RSA_KEY, "RS256", aud="us", iss="issuer")), INVALID_TOKEN),
            (bearer(b"acme"), INVALID_TOKEN),
            (bearer(b"a.b.c"), INVALID_TOKEN),
            (bearer(token(aud="us", iss="issuer", tenant=None)), malformed),
            (bearer(token(aud="us", iss="issuer", tenant="")), malformed),
            (bearer(token(aud="us", iss="issuer", tenant=7)), malformed),
            (bearer(token(aud="us", iss="issuer", tenant=["acme"])), malformed),
            (bearer(b""), malformed),
            (bearer(b"a b"), malformed),
            (
                Sent(headers=((b"authorization", b"Bearer " + token(aud="us", iss="issuer")),) * 2),
                malformed,
            ),
            (with_(authorization="Basic YTpi"), missing),
            (with_(authorization="Basic YTpi, Bearer a"), malformed),
            (with_(), missing),
        ],
    ),
    "JWT claim, public key": (
        resolvers.jwt_claim("tenant", public_pem(RSA_KEY), algorithms=["RS256"], type=int),
        [
            (bearer(token(RSA_KEY, "RS256", tenant=7)), ran(7)),
            (bearer(token(RSA_KEY, "PS256", tenant=7)), INVALID_TOKEN),
            (bearer(token(EC_KEY, "ES256", tenant=7)), INVALID_TOKEN),
            (bearer(token(SECRET, "HS256", tenant=7)), INVALID_TOKEN),
        ],
    ),
    "first of": (
        EITHER,
        [
            (with_(x_tenant_id="acme"), ran("acme")),
            (at("/?tenant=acme"), ran("acme")),
            (at("/t/acme/x"), ran("acme", "/t/acme")),
            (at("/t/acme/x?tenant=acme"), ran("acme", "/t/acme")),
            # The path is not the named tenant's, so it is not changed.
            (at("/t/globex/x?tenant=acme"), ran("acme")),
            (
                Sent(b"/?tenant=globex", ((b"x-tenant-id", b"acme"),)),
                ran("acme"),
            ),
            (Sent(b"/?tenant=acme", ((b"x-tenant-id", b""),)), malformed),
            (at("/"), missing),
        ],
    ),
    "agree": (
        BOTH,
        [
            (Sent(b"/?tenant=acme", ((b"x-tenant-id", b"acme"),)), ran("acme")),
            (Sent(b"/?tenant=globex", ((b"x-tenant-id", b"acme"),)), malformed),
            (Sent(b"/?tenant=", ((b"x-tenant-id", b"acme"),)), malformed),
            (with_(x_tenant_id="acme"), ran("acme")),
            (at("/?tenant=acme"), ran("acme")),
            (at("/"), missing),
        ],
    ),
    "agree, ids of different types": (
        resolvers.agree(resolvers.header("X-Tenant-ID", type=int), resolvers.query("tenant")),
        [(Sent(b"/?tenant=7", ((b"x-tenant-id", b"7"),)), malformed)],
    ),
    "cached": (
        resolvers.cached(resolvers.header("X-Tenant-ID"), key="X-Tenant-ID", ttl=60),
        [
            (with_(x_tenant_id="acme"), ran("acme")),
            (with_(x_tenant_id="acme"), ran("acme")),
            (with_(x_tenant_id="globex"), ran("globex")),
            (with_(x_tenant_id=""), malformed),
            (with_(x_tenant_id=""), malformed),
            (with_(), missing),
        ],
    ),
    "cached path prefix": (
        resolvers.cached(resolvers.path_prefix(), key="X-Key", ttl=60),
        [
            (Sent(b"/t/acme/x", ((b"x-key", b"1"),)), ran("acme", "/t/acme")),
            (Sent(b"/t/acme/x", ((b"x-key", b"1"),)), ran("acme", "/t/acme")),
        ],
    ),
    "in a thread": (
        resolvers.in_thread(
            resolvers.first_of(resolvers.header("X-Tenant-ID"), resolvers.path_prefix())
        ),
        [
            (with_(x_tenant_id="acme"), ran("acme")),
            (at("/t/acme/x"), ran("acme", "/t/acme")),
            (with_(x_tenant_id=""), malformed),
            (with_(), missing),
        ],
    ),
}


@pytest.mark.parametrize(
    ("resolver", "sent", "expected"),
    [
        pytest.param(resolver, sent, expected, id=f"{name}-{number}")
        for name, (resolver, cases) in CASES.items()
        for number, (sent, expected) in enumerate(cases)
    ],
)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    told = outcome({"resolve_tenant": resolver}, sent)
    assert told.vary == (", ".join(resolver.varies_on) or None)
    assert (told.tenant, told.status, told.code, told.mounted_at, told.challenge) == (
        expected.tenant,
        expected.status,
        expected.code,
        expected.mounted_at,
        expected.challenge,
    )


def test_a_cached_path_prefix_is_mounted_only_on_a_path_that_has_it() -> None:
    options = {"resolve_tenant": resolvers.cached(resolvers.path_prefix(), key="X-Key", ttl=60)}
    for target, mounted_at in ((b"/t/acme/x", "/t/acme"), (b"/x", "")):
        told = outcome(options, Sent(target, ((b"x-key", b"1"),)))
        assert (told.tenant, told.mounted_at) == ("acme", mounted_at)


STATES = {
    "acme": TenantContext("acme", {"plan": "gold"}),
    "number": TenantContext(7),
    "active": TenantState.ACTIVE,
    "suspended": TenantState.SUSPENDED,
    "unknown": TenantState.UNKNOWN,
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acme", ran("acme")),
        ("number", ran(7)),
        ("active", ran("active")),
        ("suspended", refused(403, "tenant_suspended")),
        ("unknown", refused(404, "tenant_unknown")),
        ("unlisted", refused(404, "tenant_unknown")),
        ("", malformed),
    ],
)
@pytest.mark.parametrize("timeout", [None, 60])
def test_a_directory_decides_which_tenants_may_run(
    name: str, expected: Outcome, timeout: float | None
) -> None:
    options = {
        "resolve_tenant": resolvers.path_prefix(),
        "directory": STATES.get,
        "timeout": timeout,
    }
    mounted_at = f"/t/{name}" if expected.status == 200 else ""
    told = outcome(options, at(f"/t/{name}/x"))
    assert (told.tenant, told.status, told.code) == (
        expected.tenant,
        expected.status,
        expected.code,
    )
    assert told.mounted_at == mounted_at


@pytest.mark.parametrize("allowed", [True, False])
def test_authorize_decides_whether_the_caller_may_act_for_the_tenant(allowed: bool) -> None:
    asked: list[Any] = []

    def authorize(request: Any, tenant: TenantContext) -> bool:
        asked.append((tenant.tenant_id, tenant.attributes["plan"]))
        return allowed

    options = {
        "resolve_tenant": resolvers.query("tenant"),
        "directory": STATES.get,
        "authorize": authorize,
    }
    told = outcome(options, at("/?tenant=acme"))
    assert told == (ran("acme") if allowed else refused(403, "tenant_not_authorized"))
    assert asked == [("acme", "gold")] * 2
