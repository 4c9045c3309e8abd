"""For any bytes, a request runs under the tenant that it names or is refused."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantshield_mw import TenantContext, TenantState, resolvers

from .sending import Sent, outcome
from .tokens import SECRET, token

TOKEN = token()
SIGNED = resolvers.cookie("tenant", secret=SECRET)
SIGNATURE = SIGNED.sign("acme").encode()

# The only tenant; every other id is refused with 404.
LISTED = {"acme": TenantContext("acme")}

RESOLVERS: dict[str, Any] = {
    "header": resolvers.header("X-Tenant-ID"),
    "query": resolvers.query("tenant"),
    "cookie": resolvers.cookie("tenant"),
    "signed cookie": SIGNED,
    "subdomain": resolvers.subdomain(of="example.com"),
    "subdomain behind a proxy": resolvers.subdomain(
        of="example.com", trusted_proxies=["203.0.113.7"]
    ),
    "domain": resolvers.domain({"acme.example.com": "acme"}),
    "path prefix": resolvers.path_prefix(),
    "client certificate": resolvers.client_certificate(),
    "API key": resolvers.api_key("X-API-Key", {hashlib.sha256(b"acme").hexdigest(): "acme"}.get),
    "JWT claim": resolvers.jwt_claim("tenant", SECRET, algorithms=["HS256"]),
}
RESOLVERS["first of"] = resolvers.first_of(*RESOLVERS.values())
RESOLVERS["agree"] = resolvers.agree(*list(RESOLVERS.values())[:-1])
RESOLVERS["cached"] = resolvers.cached(RESOLVERS["header"], key="X-Tenant-ID", ttl=60)
RESOLVERS["in a thread"] = resolvers.in_thread(RESOLVERS["path prefix"])

PIECES = [
    *(b"acme", b"globex", b"ACME", b"www", b"/", b"//", b"..", b"?", b"&", b"=", b"+", b"%2F"),
    *(b"%", b"%61", b"%C3%BC", b"%ff", b"%00", b";", b",", b" ", b"\t", b'"', b"\\", b"\xfc"),
    *(b"\xff", b"\x00", b"tenant", b"tenant=", b"tenant=acme", b"host=", b"for=", b".", b":"),
    *(b"example.com", b".example.com", b"acme.example.com", b"xn--", b"[::1]", b":80", b"/t/"),
    *(b"/t/acme", b"Bearer ", b"Basic ", b"CN=", b"CN=acme", b"{}", b".e30.", TOKEN, SIGNATURE),
]
RAW = st.one_of(
    st.binary(max_size=30),
    st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join),
)
NAMES = st.sampled_from(
    [
        *(b"x-tenant-id", b"X-Tenant-ID", b"host", b"cookie", b"authorization", b"x-api-key"),
        *(b"forwarded", b"x-forwarded-host", b"x-tenant", b"\xff"),
    ]
)


# What a server passes on: no line ends and no NUL (RFC 9110 section 5.5).
def as_field(value: bytes) -> bytes:
    return value.translate(None, b"\r\n\x00").strip(b" \t")


# What a server passes on: no spaces and no controls (RFC 9112 section 3).
def as_target(value: bytes) -> bytes:
    kept = bytes(octet for octet in value if 0x20 < octet < 0x7F and octet != 0x23)
    return b"/" + kept.removeprefix(b"/")


REQUESTS = st.builds(
    Sent,
    target=RAW.map(as_target),
    headers=st.lists(st.tuples(NAMES, RAW.map(as_field)), max_size=4).map(tuple),
    root=st.sampled_from(["", "/api", "/api/", "/"]),
    subject=st.one_of(st.none(), RAW.map(lambda value: value.decode("latin-1"))),
    certificate_fails=st.booleans(),
)

DOCUMENTED = {
    (400, "tenant_missing"),
    (400, "tenant_malformed"),
    (401, "tenant_unauthenticated"),
    (404, "tenant_unknown"),
}


@pytest.mark.parametrize("name", RESOLVERS)
@given(sent=REQUESTS)
def test_no_request_gets_another_tenant_or_an_undocumented_error(name: str, sent: Sent) -> None:
    told = outcome({"resolve_tenant": RESOLVERS[name], "directory": LISTED.get}, sent)
    if told.tenant is None:
        assert (told.status, told.code) in DOCUMENTED
    else:
        assert told.tenant == "acme"


@pytest.mark.parametrize("name", RESOLVERS)
@given(sent=REQUESTS)
def test_no_request_without_a_directory_gets_an_undocumented_error(name: str, sent: Sent) -> None:
    told = outcome({"resolve_tenant": RESOLVERS[name]}, sent)
    assert told.tenant is not None or (told.status, told.code) in DOCUMENTED


@pytest.mark.parametrize("name", ["signed cookie", "API key", "JWT claim", "domain"])
@given(sent=REQUESTS)
def test_a_signed_or_listed_value_names_only_its_own_tenant(name: str, sent: Sent) -> None:
    told = outcome({"resolve_tenant": RESOLVERS[name]}, sent)
    assert told.tenant in (None, "acme")


@given(value=st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text())))
def test_whatever_a_directory_is_asked_for_an_unlisted_tenant_is_unknown(value: Any) -> None:
    told = outcome(
        {"resolve_tenant": lambda request: value, "directory": lambda _: TenantState.UNKNOWN},
        Sent(),
    )
    assert (told.status, told.code) in DOCUMENTED
