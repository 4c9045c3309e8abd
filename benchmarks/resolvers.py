"""The overhead of each resolver per request, compared with hand-written middlewares.

Each resolver is compared with the smallest middleware that binds the tenant's header to a
``ContextVar`` and keeps it out of the server's ``receive`` and ``send``, or out of other requests
on the thread, see :mod:`benchmarks.middleware`. It is also measured without ``Vary``, which that
middleware does not add. And each is compared with a hand-written one that does the resolver's
job, see :mod:`benchmarks.by_hand`: it reads the cookie, verifies the signature or hashes the key,
and adds ``Vary`` if the resolver does. Every request has the same eleven headers. Run with
``python -m benchmarks.resolvers``.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Any

import jwt

from benchmarks.by_hand import (
    ASGI_READERS,
    DOMAIN,
    KEYS,
    SECRET,
    SIGNER,
    WSGI_READERS,
    ByHandASGI,
    ByHandVaryASGI,
    ByHandVaryWSGI,
    ByHandWSGI,
)
from benchmarks.measure import Batch, compare, machine, table
from benchmarks.middleware import (
    ENVIRON,
    HEADERS,
    SCOPE,
    MinimalASGI,
    MinimalIsolatedWSGI,
    MinimalOutsideASGI,
    MinimalOutsideVaryASGI,
    MinimalVaryWSGI,
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
    resolvers,
)

ROUNDS = 15
AIM = 2.5
NO_AIM = ("jwt_claim", "path_prefix", "in_thread")

TOKEN = jwt.encode({"tenant": "acme", "exp": int(time.time()) + 3600}, SECRET, algorithm="HS256")
SIGNED = resolvers.cookie("signed", SECRET, max_age=3600)


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
    "header": resolvers.header("X-Tenant-ID"),
    "query": resolvers.query("tenant"),
    "cookie": resolvers.cookie("tenant"),
    "cookie, signed": SIGNED,
    "session": resolvers.session("tenant"),
    "subdomain": resolvers.subdomain(of=DOMAIN),
    "subdomain, proxies": resolvers.subdomain(of=DOMAIN, trusted_proxies=["127.0.0.0/8"]),
    "domain": resolvers.domain({f"acme.{DOMAIN}": "acme"}),
    "principal": resolvers.principal("tenant_id"),
    "client_certificate": resolvers.client_certificate(),
    "api_key": resolvers.api_key("X-Request-ID", KEYS.get),
    "first_of query, header": resolvers.first_of(
        resolvers.query("absent"), resolvers.header("X-Tenant-ID")
    ),
    "first_of two headers": resolvers.first_of(
        resolvers.header("X-Absent"), resolvers.header("X-Tenant-ID")
    ),
    "agree query, host": resolvers.agree(resolvers.query("tenant"), resolvers.subdomain(of=DOMAIN)),
    "agree header, host": resolvers.agree(
        resolvers.header("X-Tenant-ID"), resolvers.subdomain(of=DOMAIN)
    ),
    "cached": resolvers.cached(resolvers.header("X-Tenant-ID"), key="X-Tenant-ID", ttl=3600),
    "jwt_claim": resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"]),
    "path_prefix": resolvers.path_prefix(),
    "in_thread": resolvers.in_thread(resolvers.header("X-Tenant-ID")),
}


def check_that_all_resolve() -> None:
    """Check that each way finds the tenant; a refusal would have another cost.

    Raises:
        ValueError: one does not find it.
    """
    for name, resolver in RESOLVERS.items():
        for request, readers in ((REQUEST_SCOPE, ASGI_READERS), (REQUEST_ENVIRON, WSGI_READERS)):
            if name != "in_thread" and resolver(request) not in ("acme", TenantContext("acme")):
                raise ValueError(f"{name} does not name the tenant")
            if name in readers and readers[name](request) != "acme":
                raise ValueError(f"{name} by hand does not name the tenant")


def asgi_batches(loop: asyncio.AbstractEventLoop) -> dict[str, Batch]:
    def batch(app: Any) -> Batch:
        return asgi_batch(loop, app, REQUEST_SCOPE)

    batches = {
        "bare": batch(asgi_app),
        "minimal": batch(MinimalOutsideASGI(asgi_app)),
        "minimal with Vary": batch(MinimalOutsideVaryASGI(asgi_app)),
        "bare of all care": batch(MinimalASGI(asgi_app)),
    }
    for name, resolver in RESOLVERS.items():
        batches[name] = batch(TenantSessionMiddleware(asgi_app, resolve_tenant=resolver))
        if name in ASGI_READERS:
            by_hand = ByHandVaryASGI if resolver.varies_on else ByHandASGI
            batches[f"{name}, by hand"] = batch(by_hand(asgi_app, ASGI_READERS[name]))
        if resolver.varies_on:
            without = TenantSessionMiddleware(asgi_app, resolve_tenant=resolver, vary=())
            batches[f"{name}, vary=()"] = batch(without)
    return batches


def wsgi_batches() -> dict[str, Batch]:
    def batch(app: Any) -> Batch:
        return wsgi_batch(app, REQUEST_ENVIRON)

    batches = {
        "bare": batch(wsgi_app),
        "minimal": batch(MinimalIsolatedWSGI(wsgi_app)),
        "minimal with Vary": batch(MinimalVaryWSGI(wsgi_app)),
    }
    for name, resolver in RESOLVERS.items():
        if name == "in_thread":
            continue
        batches[name] = batch(TenantSessionMiddlewareWSGI(wsgi_app, resolve_tenant=resolver))
        if name in WSGI_READERS:
            by_hand = ByHandVaryWSGI if resolver.varies_on else ByHandWSGI
            batches[f"{name}, by hand"] = batch(by_hand(wsgi_app, WSGI_READERS[name]))
        if resolver.varies_on:
            without = TenantSessionMiddlewareWSGI(wsgi_app, resolve_tenant=resolver, vary=())
            batches[f"{name}, vary=()"] = batch(without)
    return batches


def report(title: str, batches: dict[str, Batch]) -> list[str]:
    """Print the overhead of each resolver, and return the names of those that miss the target."""
    medians = compare(batches, rounds=ROUNDS, clock=time.process_time)
    added = {name: median - medians["bare"] for name, median in medians.items()}
    minimal = added["minimal"]
    rows: list[tuple[str, ...]] = []
    missed: list[str] = []
    for name in RESOLVERS:
        if name not in added:
            continue
        without = added.get(f"{name}, vary=()")
        verdict = ""
        if name not in NO_AIM:
            if added[name] / minimal <= AIM:
                verdict = "met"
            elif without is not None and without / minimal <= AIM:
                verdict = "met but for Vary"
            else:
                verdict = "MISSED"
                missed.append(f"{title}, {name}")
        rows.append(
            (
                name,
                f"{added[name] * 1e9:.0f}",
                times(added[name], minimal),
                times(without, minimal),
                times(added[name], added.get(f"{name}, by hand")),
                verdict,
            )
        )
    with_vary = added["minimal with Vary"]
    print(
        f"\n{title}: the minimal middleware adds {minimal * 1e9:.0f} ns, with Vary "
        f"{with_vary * 1e9:.0f}, which is {with_vary / minimal:.2f} of it"
    )
    if "bare of all care" in added:
        careless = added["bare of all care"] * 1e9
        print(
            f"(one that lets the tenant into the next request on the connection: {careless:.0f} ns)"
        )
    columns = ("", "ns added", "/minimal", "vary=()", "/by hand", f"at most {AIM} of minimal")
    print(table(columns, rows))
    return missed


def times(this: float | None, that: float | None) -> str:
    return "" if this is None or that is None else f"{this / that:.2f}"


def report_bare_jobs() -> None:
    """Print the cost of the jobs that are more than reading a value, without a request."""
    signed = SIGNED.sign("acme")
    jobs: dict[str, Callable[[], object]] = {
        "SHA-256 of an API key": lambda: hashlib.sha256(b"0b6b3a52").hexdigest(),
        "verifying a signed cookie": lambda: SIGNER.loads(signed, max_age=3600),
        "verifying a token": lambda: jwt.decode(TOKEN, SECRET, algorithms=["HS256"]),
    }

    def repeated(job: Callable[[], object]) -> Batch:
        def batch(repeats: int) -> None:
            for _ in range(repeats):
                job()

        return batch

    batches = {name: repeated(job) for name, job in jobs.items()}
    medians = compare(batches, rounds=ROUNDS, clock=time.process_time)
    print("\nthe bare job (the resolver verifies a cookie once and then looks at its age alone)")
    print(table(("", "ns"), [(name, f"{each * 1e9:.0f}") for name, each in medians.items()]))


def main() -> None:
    check_that_all_resolve()
    print(machine())
    print(
        f"medians of {ROUNDS} rounds, processor time; what is added to a request, over what the\n"
        "minimal middleware adds, with and without Vary, and over what doing the same job by\n"
        "hand adds, with Vary where the resolver adds it"
    )
    loop = asyncio.new_event_loop()
    try:
        missed = report("ASGI", asgi_batches(loop))
    finally:
        loop.close()
    missed += report("WSGI", wsgi_batches())
    report_bare_jobs()
    print("\nmissed: " + (", ".join(missed) or "none"))


if __name__ == "__main__":
    main()
