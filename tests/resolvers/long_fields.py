"""Let every resolver read long fields that almost match its grammar.

A program: it says how many there were, or, where the time that one takes grows with the
square of its length, says nothing for hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from typing import Any

from tenantshield_mw import TenantResolutionError, resolvers

from .sending import Sent
from .tokens import SECRET

BEGINNINGS = (b"", b"for=1;", b'for="', b"O=", b"O=a", b"tenant=", b"Bearer ")
REPEATED = (b" ", b"\t", b"a", b"1.", b"a=", b",", b";", b"=", b"\\a", b'"', b"xn--", b"%61")

# The longest fields that are read, repeatedly; and much longer ones if there is no limit.
PARSED, TIMES = 8_000, 100
LONG = 200_000

PARSING = (
    resolvers.subdomain(
        of="example.com", trusted_proxies=["203.0.113.7"], proxy_headers=["Forwarded"]
    ),
    resolvers.subdomain(of="example.com", trusted_proxies=["203.0.113.7"]),
    resolvers.client_certificate("O"),
)
READING = (
    *PARSING,
    resolvers.header("X-Tenant-ID"),
    resolvers.header("X-Tenant-ID", type=int),
    resolvers.cookie("tenant"),
    resolvers.cookie("tenant", SECRET),
    resolvers.query("tenant"),
    resolvers.path_prefix(),
    resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"]),
    resolvers.api_key("X-API-Key", lambda digest: None),
)


NAMES = (
    *(b"host", b"forwarded", b"x-forwarded-host", b"x-tenant-id"),
    *(b"cookie", b"authorization", b"x-api-key"),
)


def holding(value: bytes) -> dict[str, Any]:
    """Return a scope that has ``value`` everywhere that a resolver reads."""
    scope = Sent(
        headers=tuple((name, value) for name in NAMES), subject=value.decode("latin-1")
    ).scope()
    return {**scope, "path": "/t/" + value.decode("latin-1"), "query_string": value}


def scopes(length: int) -> Iterator[dict[str, Any]]:
    for beginning, repeated in product(BEGINNINGS, REPEATED):
        yield holding(beginning + repeated * (length // len(repeated)) + b"<")


def main() -> None:
    count = 0
    for reading, length, times in ((READING, LONG, 1), (PARSING, PARSED, TIMES)):
        for scope in scopes(length):
            for resolver, _ in product(reading, range(times)):
                with suppress(TenantResolutionError):
                    resolver(scope)
                count += 1
    print(count)


if __name__ == "__main__":
    main()
