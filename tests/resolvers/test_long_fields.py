"""A long field is read in linear time, or refused for its length."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tenantshield_mw import resolvers

from .sending import Sent, malformed, outcome, ran

CHECKOUT = Path(__file__).parents[2]
LONGEST = 8192

THROUGH_PROXY = resolvers.subdomain(of="example.com", trusted_proxies=["203.0.113.7"])


def test_no_field_that_almost_matches_keeps_a_resolver_busy() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "tests.resolvers.long_fields"],
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
        # It takes seconds, or hours.
        timeout=120,
    )
    assert int(finished.stdout) > 0


@pytest.mark.parametrize(
    ("name", "beginning", "filling", "end"),
    [
        (b"forwarded", b"host=acme.example.com;for=", b"x", b""),
        (b"x-forwarded-host", b"acme.example.com,", b" ", b"acme.example.com"),
    ],
)
def test_forwarding_headers_may_have_8192_octets(
    name: bytes, beginning: bytes, filling: bytes, end: bytes
) -> None:
    options = {"resolve_tenant": THROUGH_PROXY, "vary": ()}
    for length, expected in ((LONGEST, ran("acme")), (LONGEST + 1, malformed)):
        field = beginning + filling * (length - len(beginning + end)) + end
        assert outcome(options, Sent(headers=((name, field),))) == expected


def test_a_certificates_subject_may_have_8192_characters() -> None:
    for length, expected in ((LONGEST, ran("acme")), (LONGEST + 1, malformed)):
        subject = "CN=acme,O=".ljust(length, "x")
        assert (
            outcome({"resolve_tenant": resolvers.client_certificate()}, Sent(subject=subject))
            == expected
        )
