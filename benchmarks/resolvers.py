"""What each resolver adds to a request, over what a hand-written middleware adds.

The hand-written one binds the tenant's header to a ``ContextVar`` and does nothing else,
see :mod:`benchmarks.middleware`. Every resolver finds the tenant in a request with the
same eleven headers. A tenant that comes from a header has to be named in ``Vary``, for
which each response must be looked into; what that alone costs is shown by a hand-written
middleware that also does it, and by the column for ``vary=()``. Run with
``python -m benchmarks.resolvers``.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Any

import jwt

from benchmarks.measure import Batch, compare, machine, table
from benchmarks.middleware import (
    ENVIRON,
    HEADERS,
    SCOPE,
    MinimalASGI,
    MinimalIsolatedWSGI,
    MinimalVaryASGI,
    asgi_app,
    asgi_batch,
    wsgi_app,
    wsgi_batch,
)
from tenantshield_mw import (
    PRINCIPAL_KEY,
    SESSION_KEY,
    TenantContext,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    agree,
    api_key,
    cached,
    client_certificate,
    cookie,
    domain,
    first_of,
    header,
    in_thread,
    jwt_claim,
    path_prefix,
    principal,
    query,
    session,
    subdomain,
)

ROUNDS = 15
AIM = 2.5
EXEMPT_FROM_AIM = ("jwt_claim", "path_prefix")

SECRET = "a secret of more than thirty-two characters"
TOKEN = jwt.encode({"tenant": "acme", "exp": int(time.time()) + 3600}, SECRET, algorithm="HS256")
SIGNED = cookie("signed", SECRET, max_age=3600)


class User:
    is_authenticated = True
    tenant_id = "acme"


REPLACED: dict[bytes, bytes] = {
    b"host": b"acme.example.com",
    b"cookie": b"session=6d1f0c5e; tenant=acme; signed=" + SIGNED.sign("acme").encode(),
    b"authorization": b"Bearer " + TOKEN.encode(),
}
FIELDS = [(name, REPLACED.get(name, value)) for name, value in HEADERS]
REQUEST_SCOPE: dict[str, Any] = {
    **SCOPE,
    "headers": FIELDS,
    "path": "/t/acme/invoices",
    "raw_path": b"/t/acme/invoices",
    "query_string": b"page=2&tenant=acme",
    "session": {"tenant": "acme"},
    "user": User(),
    "extensions": {"tls": {"client_cert_name": "CN=acme,O=Customers", "client_cert_error": None}},
}
REQUEST_ENVIRON: dict[str, Any] = {
    **ENVIRON,
    **{"HTTP_" + name.decode().upper().replace("-", "_"): value.decode() for name, value in FIELDS},
    "PATH_INFO": "/t/acme/invoices",
    "QUERY_STRING": "page=2&tenant=acme",
    SESSION_KEY: {"tenant": "acme"},
    PRINCIPAL_KEY: User(),
    "SSL_CLIENT_S_DN": "CN=acme,O=Customers",
    "SSL_CLIENT_VERIFY": "SUCCESS",
}

RESOLVERS: dict[str, Any] = {
    "header": header("X-Tenant-ID"),
    "query": query("tenant"),
    "cookie": cookie("tenant"),
    "cookie, signed": SIGNED,
    "session": session("tenant"),
    "subdomain": subdomain(of="example.com"),
    "subdomain, proxies": subdomain(of="example.com", trusted_proxies=["127.0.0.0/8"]),
    "domain": domain({"acme.example.com": "acme"}),
    "principal": principal("tenant_id"),
    "client_certificate": client_certificate(),
    "api_key": api_key("X-Request-ID", {hashlib.sha256(b"0b6b3a52").hexdigest(): "acme"}.get),
    "first_of": first_of(query("absent"), header("X-Tenant-ID")),
    "agree": agree(query("tenant"), subdomain(of="example.com")),
    "cached": cached(header("X-Tenant-ID"), key="X-Tenant-ID", ttl=3600),
    "jwt_claim": jwt_claim("tenant", SECRET, algorithms=["HS256"]),
    "path_prefix": path_prefix(),
}
THREADED = in_thread(header("X-Tenant-ID"))


def added_by(batches: dict[str, Batch]) -> dict[str, float]:
    """Return what each way adds to ``bare``, as a multiple of what ``minimal`` adds."""
    medians = compare(batches, rounds=ROUNDS)
    minimal = medians["minimal"] - medians["bare"]
    return {name: (median - medians["bare"]) / minimal for name, median in medians.items()}


def check_that_all_resolve() -> None:
    """Raise unless each resolver names the tenant, for a refusal has a cost of its own.

    Raises:
        ValueError: one does not.
    """
    for name, resolver in RESOLVERS.items():
        for request in (REQUEST_SCOPE, REQUEST_ENVIRON):
            if resolver(request) not in ("acme", TenantContext("acme")):
                raise ValueError(f"{name} does not name the tenant")


def main() -> None:
    check_that_all_resolve()
    print(machine())
    print(f"medians of {ROUNDS} rounds; times what the minimal middleware adds")
    loop = asyncio.new_event_loop()
    try:
        asgi = {
            "bare": asgi_batch(loop, asgi_app, REQUEST_SCOPE),
            "minimal": asgi_batch(loop, MinimalASGI(asgi_app), REQUEST_SCOPE),
            "minimal with Vary": asgi_batch(loop, MinimalVaryASGI(asgi_app), REQUEST_SCOPE),
        }
        for name, resolver in {**RESOLVERS, "in_thread": THREADED}.items():
            for title, vary in ((name, None), (f"{name} vary=()", ())):
                app = TenantSessionMiddleware(asgi_app, resolve_tenant=resolver, vary=vary)
                asgi[title] = asgi_batch(loop, app, REQUEST_SCOPE)
        over_asgi = added_by(asgi)
    finally:
        loop.close()
    wsgi = {
        "bare": wsgi_batch(wsgi_app, REQUEST_ENVIRON),
        "minimal": wsgi_batch(MinimalIsolatedWSGI(wsgi_app), REQUEST_ENVIRON),
    }
    for name, resolver in RESOLVERS.items():
        for title, vary in ((name, None), (f"{name} vary=()", ())):
            wrapped = TenantSessionMiddlewareWSGI(wsgi_app, resolve_tenant=resolver, vary=vary)
            wsgi[title] = wsgi_batch(wrapped, REQUEST_ENVIRON)
    over_wsgi = added_by(wsgi)

    rows: list[tuple[str, ...]] = [
        ("minimal with Vary", f"{over_asgi['minimal with Vary']:.2f}", "", "", "", ""),
    ]
    for name, resolver in {**RESOLVERS, "in_thread": THREADED}.items():
        plain = over_asgi[f"{name} vary=()"]
        aim = "" if name in (*EXEMPT_FROM_AIM, "in_thread") else judged(over_asgi[name])
        rows.append(
            (
                name,
                f"{over_asgi[name]:.2f}",
                aim,
                f"{plain:.2f}" if resolver.varies_on else "",
                f"{over_wsgi[name]:.2f}" if name in over_wsgi else "",
                f"{over_wsgi[f'{name} vary=()']:.2f}"
                if name in over_wsgi and resolver.varies_on
                else "",
            )
        )
    print(
        "\n"
        + table(
            ("", "ASGI", f"at most {AIM}", "vary=()", "WSGI", "vary=()"),
            rows,
        )
    )


def judged(ratio: float) -> str:
    return "met" if ratio <= AIM else "MISSED"


if __name__ == "__main__":
    main()
