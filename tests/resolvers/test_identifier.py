"""Tenant ids of each type, as text has them: one spelling is accepted, others are refused."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tenantshield_mw import ConfigurationError, TenantContext, resolvers

from ..core.calling import Headers, Outcome, as_environ, http_scope
from .naming import MALFORMED, assert_same_outcome, ran, values

SOME_UUID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")


@pytest.mark.parametrize(
    ("kind", "headers", "outcome"),
    [
        (int, values(b"0"), ran(0)),
        (int, values(b"42"), ran(42)),
        (int, values(b"-42"), ran(-42)),
        (int, values(b"9223372036854775807"), ran(2**63 - 1)),
        (int, values(b"9223372036854775808"), MALFORMED),
        (int, values(b"-9223372036854775808"), ran(-(2**63))),
        (int, values(b"-9223372036854775809"), MALFORMED),
        (int, values(b"9" * 5000), MALFORMED),
        (int, values(b"+5"), MALFORMED),
        (int, values(b" 5"), MALFORMED),
        (int, values(b"05"), MALFORMED),
        (int, values(b"-0"), MALFORMED),
        (int, values(b"1_000"), MALFORMED),
        (int, values(b"5.0"), MALFORMED),
        (int, values(b"5\n"), MALFORMED),
        (int, values("\N{ARABIC-INDIC DIGIT FIVE}".encode()), MALFORMED),
        (int, values(b"\xb2"), MALFORMED),
        (int, values(b"acme"), MALFORMED),
        (int, values(b""), MALFORMED),
        (int, values(b"5", b"5"), ran(5)),
        (int, values(b"5", b"6"), MALFORMED),
        (UUID, values(str(SOME_UUID).encode()), ran(SOME_UUID)),
        (UUID, values(str(SOME_UUID).upper().encode()), ran(SOME_UUID)),
        (UUID, values(SOME_UUID.hex.encode()), MALFORMED),
        (UUID, values(b"{%b}" % str(SOME_UUID).encode()), MALFORMED),
        (UUID, values(SOME_UUID.urn.encode()), MALFORMED),
        (UUID, values(b"0f8fad5bd9cb-469f-a165-7086-7728950e"), MALFORMED),
        (UUID, values(str(SOME_UUID).encode() + b"\n"), MALFORMED),
        (UUID, values(b"42"), MALFORMED),
    ],
)
def test_both_middlewares_have_the_same_outcome(
    kind: Any, headers: Headers, outcome: Outcome
) -> None:
    assert_same_outcome(kind, headers, outcome)


@pytest.mark.parametrize("kind", [bool, float, bytes, "int", None, object, []])
def test_an_invalid_type_is_refused(kind: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"str, int or uuid\.UUID"):
        resolvers.header("X-Tenant-ID", type=kind)


def test_more_tenants_than_are_remembered_are_still_told_apart() -> None:
    resolver = resolvers.header("X-Tenant-ID", type=int)
    for _ in range(2):
        for number in range(1500):
            raw = str(number).encode()
            assert resolver(http_scope(headers=values(raw))) == TenantContext(number)
            assert resolver(as_environ(headers=values(raw))) == TenantContext(number)
