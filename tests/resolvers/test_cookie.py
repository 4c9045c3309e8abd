"""The tenant in a cookie, signed or not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tenantshield_mw import ConfigurationError, TenantContext, TenantResolutionError, resolvers

from ..core.calling import as_environ, http_scope
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
    with_,
)

SECRET = "a secret of thirty-two characters"


def sent(value: str) -> dict[str, Any]:
    return http_scope(headers=[(b"cookie", f"tenant={value}".encode())])


def test_a_signature_is_valid_for_max_age_seconds() -> None:
    signed_at = int(time.time())
    times: Iterator[float] = iter([signed_at + 1, signed_at + 50, signed_at + 70])
    resolver = resolvers.cookie("tenant", SECRET, max_age=60, now=lambda: next(times))
    value = resolver.sign("acme")
    assert resolver(sent(value)) == TenantContext("acme")
    assert resolver(sent(value)) == TenantContext("acme")
    with pytest.raises(TenantResolutionError, match="expired"):
        resolver(sent(value))


def test_without_max_age_a_signature_never_expires() -> None:
    resolver = resolvers.cookie("tenant", SECRET, now=lambda: 10.0**12)
    assert resolver(sent(resolver.sign("acme"))) == TenantContext("acme")


def test_a_signature_with_another_secret_is_refused() -> None:
    value = resolvers.cookie("tenant", "another secret").sign("acme")
    with pytest.raises(TenantResolutionError, match="signature"):
        resolvers.cookie("tenant", SECRET)(sent(value))


def test_only_a_cookie_with_a_secret_can_be_signed() -> None:
    with pytest.raises(ConfigurationError, match="secret"):
        resolvers.cookie("tenant").sign("acme")


def test_an_invalid_tenant_id_is_not_signed() -> None:
    with pytest.raises(TenantResolutionError):
        resolvers.cookie("tenant", SECRET).sign("")


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "a=b"},
        {"name": "müller"},
        {"name": None},
        {"secret": ""},
        {"secret": 7},
        {"secret": SECRET, "max_age": 0},
        {"secret": SECRET, "max_age": True},
        {"secret": SECRET, "max_age": "60"},
        {"max_age": 60},
        {"type": float},
        {"secret": SECRET, "type": float},
    ],
)
def test_other_arguments_are_refused(arguments: dict[str, Any]) -> None:
    arguments = {"name": "tenant", **arguments}
    with pytest.raises(ConfigurationError):
        resolvers.cookie(**arguments)


@pytest.mark.parametrize("secret", [None, SECRET])
@pytest.mark.parametrize("joint", [",", ", ", ",\t "])
def test_a_cookie_after_a_comma_is_refused(secret: str | None, joint: str) -> None:
    resolver = resolvers.cookie("tenant", secret)
    acme, globex = (resolver.sign(each) if secret else each for each in ("acme", "globex"))
    for field in (
        f"tenant={acme}; x=1{joint}tenant={globex}",
        f"a=1{joint}tenant={acme}",
        f"tenant={acme}; x=1{joint}tenant = {acme}",
        f"tenant={acme}{joint}x=1",
    ):
        for request in (
            as_environ(HTTP_COOKIE=field),
            http_scope(headers=[(b"cookie", field.encode())]),
        ):
            with pytest.raises(TenantResolutionError):
                resolver(request)


@pytest.mark.parametrize("other", ["x=1,2", "x=1,tenants=2", "x=1,tenant", "x=,", "x=1,xtenant=2"])
def test_a_comma_in_another_cookie_is_let_through(other: str) -> None:
    for field in (f"tenant=acme; {other}", f"{other}; tenant=acme"):
        for request in (
            as_environ(HTTP_COOKIE=field),
            http_scope(headers=[(b"cookie", field.encode())]),
        ):
            assert resolvers.cookie("tenant")(request) == TenantContext("acme")


@pytest.mark.parametrize("value", ['"acme', 'acme"', '""acme""', '"', '"""', 'ac"me'])
def test_quotes_come_in_one_pair_around_the_value(value: str) -> None:
    assert resolvers.cookie("tenant")(sent('"acme"')) == TenantContext("acme")
    with pytest.raises(TenantResolutionError):
        resolvers.cookie("tenant")(sent(value))


SOME_UUID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
SIGNED = resolvers.cookie("tenant", secret=SECRET, max_age=86_400)
SIGNED_INT = resolvers.cookie("tenant", secret=SECRET, type=int)
SIGNED_UUID = resolvers.cookie("tenant", secret=SECRET, type=UUID)
FOREIGN = resolvers.cookie("other", secret=SECRET)

CASES: Cases = {
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
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)
