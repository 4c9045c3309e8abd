"""Signed cookies: signing, verification and expiry."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tenantshield_mw import ConfigurationError, TenantContext, TenantResolutionError, resolvers

from ..core.calling import as_environ, http_scope

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


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    resolvers.cookie("tenant")
    monkeypatch.setitem(sys.modules, "itsdangerous", None)
    with pytest.raises(ConfigurationError, match=r"tenantshield-mw\[signed\]"):
        resolvers.cookie("tenant", SECRET)


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
