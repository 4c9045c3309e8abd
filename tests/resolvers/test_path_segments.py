"""Paths that a path prefix refuses, since a proxy or a link would read them differently."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tenantshield_mw import resolvers

from .sending import Sent, malformed, outcome, ran

PREFIX = {"resolve_tenant": resolvers.path_prefix("/t/{tenant}")}


@pytest.mark.parametrize(
    "target",
    [
        "/t/acme/files/../../globex/x",
        "/t/acme/files/..%2f..%2fglobex/x",
        "/t/acme/files/%2e%2e/%2E./globex/x",
        "/t/acme/../globex",
        "/t/acme/..",
        "/t/acme/./x",
        "/t/acme/.",
        "/t/acme//../x",
        "/x/../t/acme/x",
        "/./t/acme/x",
        "/..",
    ],
)
def test_a_path_with_dot_segments_is_refused(target: str) -> None:
    assert outcome(PREFIX, Sent(target.encode())) == malformed
    either = {
        "resolve_tenant": resolvers.first_of(
            resolvers.path_prefix("/t/{tenant}"), resolvers.header("X-Tenant-ID")
        )
    }
    named = ((b"x-tenant-id", b"acme"),)
    assert outcome(either, Sent(target.encode(), named)).tenant is None


@pytest.mark.parametrize(
    "target", ["/t/acme/.well-known/x", "/t/acme/a..b/...", "/t/acme/x.", "/t/acme/..x"]
)
def test_dots_in_longer_segments_are_let_through(target: str) -> None:
    assert outcome(PREFIX, Sent(target.encode())) == ran("acme", "/t/acme")


def test_a_path_with_dot_segments_is_not_mounted_for_another_resolvers_tenant() -> None:
    options = {
        "resolve_tenant": resolvers.first_of(
            resolvers.header("X-Tenant-ID"), resolvers.path_prefix("/t/{tenant}")
        )
    }
    named = ((b"x-tenant-id", b"acme"),)
    assert outcome(options, Sent(b"/t/acme/x", named)).mounted_at == "/t/acme"
    assert outcome(options, Sent(b"/t/acme/../x", named)).mounted_at == ""


@pytest.mark.parametrize("character", [chr(code) for code in range(0x20, 0x7F)])
def test_a_tenants_segment_may_have_characters_that_need_no_encoding(character: str) -> None:
    target = f"/t/ac%{ord(character):02x}me/x"
    if character.isalnum() or character in "-._~!$&'()*+,;=:@":
        tenant = f"ac{character}me"
        assert outcome(PREFIX, Sent(target.encode())) == ran(tenant, f"/t/{tenant}")
    else:
        # A slash ends the segment.
        expected = ran("ac", "/t/ac") if character == "/" else malformed
        assert outcome(PREFIX, Sent(target.encode())) == expected


def test_another_resolvers_tenant_that_needs_encoding_is_not_mounted() -> None:
    options = {
        "resolve_tenant": resolvers.first_of(
            resolvers.header("X-Tenant-ID"), resolvers.path_prefix("/t/{tenant}")
        )
    }
    told = outcome(options, Sent(b"/t/ac%3Fme/x", ((b"x-tenant-id", b"ac?me"),)))
    assert (told.tenant, told.mounted_at) == ("ac?me", "")
    both = {
        "resolve_tenant": resolvers.agree(
            resolvers.header("X-Tenant-ID"), resolvers.path_prefix("/t/{tenant}")
        )
    }
    assert outcome(both, Sent(b"/t/ac%3Fme/x", ((b"x-tenant-id", b"ac?me"),))).tenant is None


@pytest.mark.parametrize(
    ("kind", "segment", "tenant"),
    [
        (int, "42", 42),
        (
            UUID,
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            UUID("0f8fad5b-d9cb-469f-a165-70867728950e"),
        ),
    ],
)
def test_other_types_are_read_as_before(kind: Any, segment: str, tenant: Any) -> None:
    options = {"resolve_tenant": resolvers.path_prefix("/t/{tenant}", type=kind)}
    for _ in range(2):
        assert outcome(options, Sent(f"/t/{segment}/x".encode())) == ran(tenant, f"/t/{segment}")
