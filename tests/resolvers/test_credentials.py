"""The one token in a header with credentials (RFC 9110 section 11.4)."""

from __future__ import annotations

import hashlib
from typing import Any

from tenantshield_mw import resolvers

from .sending import (
    Cases,
    Outcome,
    Sent,
    assert_outcome,
    each_case,
    malformed,
    missing,
    ran,
    refused,
    with_,
)

KEYS = {hashlib.sha256(b"key-of-acme").hexdigest(): "acme"}

CASES: Cases = {
    "API key as a bearer token": (
        resolvers.api_key("Authorization", KEYS.get),
        [
            (with_(authorization="Bearer key-of-acme"), ran("acme")),
            (
                with_(authorization="Bearer x"),
                refused(401, "tenant_unauthenticated", "Bearer"),
            ),
            (with_(authorization="bearer \t key-of-acme\t"), ran("acme")),
            (with_(authorization="Basic a2V5"), missing),
            (with_(authorization="Basic a2V5, Bearer key-of-acme"), malformed),
            (with_(authorization="Bearer key-of-acme, Basic a2V5"), malformed),
            (with_(authorization="Bearer key of acme"), malformed),
            (with_(authorization="Bearer"), malformed),
        ],
    ),
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)
