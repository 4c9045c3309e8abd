"""The tenant that a header names: the same in ASGI and in WSGI."""

from __future__ import annotations

import gc
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantshield_mw import ConfigurationError, TenantContext, TenantResolutionError, resolvers

from ..core.calling import Headers, Outcome, as_environ, http_scope, through_asgi, through_wsgi
from .naming import MALFORMED, MISSING, assert_same_outcome, ran, values

SOME_UUID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        (values(), MISSING),
        ([(b"x-tenant", b"acme"), (b"x-tenant-idx", b"acme")], MISSING),
        (values(b"acme"), ran("acme")),
        (values(b"a b"), ran("a b")),
        (values(b"x" * 255), ran("x" * 255)),
        (values(b"x" * 256), MALFORMED),
        (values(b""), MALFORMED),
        (values(b" acme"), MALFORMED),
        (values(b"acme\t"), MALFORMED),
        (values(b"ac\x00me"), MALFORMED),
        (values(b"m\xfcller"), MALFORMED),
        (values("müller".encode()), MALFORMED),
        # A repeated field and one field with a list are the same (RFC 9110 section 5.3).
        (values(b"acme", b"acme"), ran("acme")),
        (values(b"acme,acme"), ran("acme")),
        (values(b"acme, acme"), ran("acme")),
        (values(b"acme\t, acme ,acme"), ran("acme")),
        (values(b"acme", b"acme", b"acme"), ran("acme")),
        (values(b"acme", b"globex"), MALFORMED),
        (values(b"globex", b"acme"), MALFORMED),
        (values(b"acme,globex"), MALFORMED),
        (values(b"acme", b"acme", b"globex"), MALFORMED),
        (values(b"acme", b""), MALFORMED),
        (values(b"", b"acme"), MALFORMED),
        (values(b"acme,"), MALFORMED),
        (values(b","), MALFORMED),
        (values(b"acme", b"Acme"), MALFORMED),
        # Names may have any case, whatever the server does with them.
        ([(b"X-Tenant-ID", b"acme")], ran("acme")),
        ([(b"x-tenant-id", b"acme"), (b"X-TENANT-ID", b"globex")], MALFORMED),
        ([(b"X-Tenant-Id", b"acme"), (b"x-tenant-id", b"acme")], ran("acme")),
    ],
)
def test_both_middlewares_have_the_same_outcome(headers: Headers, outcome: Outcome) -> None:
    assert_same_outcome(str, headers, outcome)


RAW_VALUE = st.one_of(
    st.binary(max_size=40),
    st.lists(st.sampled_from([b"acme", b"globex", b",", b" ", b"\t", b"", b"7"]), max_size=6).map(
        b"".join
    ),
)


@given(
    kind=st.sampled_from([str, int, UUID]),
    raw=st.lists(RAW_VALUE, max_size=4),
    case=st.sampled_from([b"x-tenant-id", b"X-Tenant-ID", b"X-TENANT-ID"]),
)
def test_any_bytes_have_the_same_outcome_and_never_an_error(
    kind: Any, raw: list[bytes], case: bytes
) -> None:
    headers = [(b"host", b"example.com"), *((case, value) for value in raw)]
    options = {"resolve_tenant": resolvers.header("X-Tenant-ID", type=kind)}
    outcome = through_asgi(options, headers=headers)
    assert through_wsgi(options, headers=headers) == outcome
    if outcome.ran:
        assert type(outcome.tenant) is kind
        sent = str(outcome.tenant).encode().lower()
        assert all(sent == part.strip(b" \t").lower() for part in b",".join(raw).split(b","))
    else:
        assert outcome == (MALFORMED if raw else MISSING)


def test_the_case_of_the_name_does_not_matter() -> None:
    for name in ("X-Tenant-ID", "x-tenant-id", "X-TENANT-ID"):
        assert resolvers.header(name)(http_scope(headers=values(b"acme"))) == TenantContext("acme")
        assert resolvers.header(name)(as_environ(headers=values(b"acme"))) == TenantContext("acme")


def test_a_field_that_wsgi_passes_on_without_a_prefix_is_found() -> None:
    resolver = resolvers.header("Content-Type")
    assert resolver(http_scope(headers=[(b"content-type", b"acme")])) == TenantContext("acme")
    assert resolver(as_environ(CONTENT_TYPE="acme")) == TenantContext("acme")


def test_a_value_that_is_not_latin_1_is_refused() -> None:
    with pytest.raises(TenantResolutionError):
        resolvers.header("X-Tenant-ID")(as_environ(HTTP_X_TENANT_ID="acm\u20ac"))


def test_an_underscore_in_the_name_is_not_the_header_in_asgi() -> None:
    assert resolvers.header("X-Tenant-ID")(http_scope(headers=[(b"x_tenant_id", b"acme")])) is None


@pytest.mark.parametrize(
    "name", ["", "X_Tenant_ID", "X Tenant", "X-Tenant:", "X-Ténant", "X-Tenant\n", None, b"x", {}]
)
def test_an_invalid_header_name_is_refused(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="header"):
        resolvers.header(name)


def test_an_error_does_not_repeat_the_value() -> None:
    for raw in (b"<script>\xff", b"<script>,other", b"<script>" * 100):
        with pytest.raises(TenantResolutionError) as caught:
            resolvers.header("X-Tenant-ID")(http_scope(headers=values(raw)))
        assert "<script>" not in str(caught.value)


def test_what_is_remembered_is_bounded() -> None:
    def remembered() -> int:
        gc.collect()
        return sum(type(one) is TenantContext for one in gc.get_objects())

    before = remembered()
    resolver = resolvers.header("X-Tenant-ID")
    for number in range(5000):
        resolver(http_scope(headers=values(b"tenant-%d" % number)))
    for number in range(2000):
        resolver(http_scope(headers=values(b",".join([b"t%d" % number] * 500))))
    assert remembered() - before <= 1024
