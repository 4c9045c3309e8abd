"""The tenant to which an API key belongs."""

from __future__ import annotations

import hashlib
from typing import Any

from tenantshield_mw import resolvers
from tests.core.calling import http_scope

from .sending import (
    Cases,
    Outcome,
    Sent,
    assert_outcome,
    each_case,
    fields,
    malformed,
    missing,
    ran,
    refused,
    with_,
)

KEYS = {hashlib.sha256(b"key-of-acme").hexdigest(): "acme"}
NOBODYS_KEY = refused(401, "tenant_unauthenticated", "ApiKey")

CASES: Cases = {
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
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)


async def test_the_lookup_of_an_api_key_sees_nothing_but_its_hash() -> None:
    taken: list[Any] = []

    def lookup(*arguments: Any) -> str:
        taken.append(arguments)
        return "acme"

    resolvers.api_key("X-API-Key", lookup)(http_scope(headers=[(b"x-api-key", b"key")]))
    assert taken == [("2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683",)]
