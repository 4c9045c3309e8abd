"""Keys that all tenants' values share a store under."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantshield_mw import (
    MissingTenantContextError,
    TenantId,
    TenantResolutionError,
    system_scope,
    tenant_key,
    tenant_scope,
)
from tenantshield_mw.tenant import check_tenant_id

UUID_TEXT = "12345678-1234-5678-1234-567812345678"


def is_tenant_id(value: object) -> bool:
    try:
        check_tenant_id(value)
    except TenantResolutionError:
        return False
    return True


# A small alphabet, so that lists often differ only in where one part ends.
TRICKY = st.text(alphabet=':%=in1 a*"\\{é\ud800', max_size=4)
PARTS = st.one_of(
    TRICKY,
    st.text(),
    st.integers(-3, 3),
    st.integers(),
    st.booleans(),
    st.none(),
    st.binary(max_size=3),
    st.sampled_from([UUID_TEXT, UUID(UUID_TEXT), f"u={UUID_TEXT}", "i=1", "n=", "b=", "o=1"]),
)
KEYS = st.lists(PARTS, max_size=4).map(tuple)
TENANTS = st.one_of(TRICKY, st.text(), st.integers(-3, 3), st.uuids()).filter(is_tenant_id)


def key_of(tenant: TenantId, parts: tuple[Any, ...]) -> str:
    with tenant_scope(tenant):
        return tenant_key(*parts)


def identity(tenant: TenantId, parts: tuple[Any, ...]) -> list[tuple[type, Any]]:
    # 1 == True, but they are not the same part.
    return [(type(each), each) for each in (tenant, *parts)]


@given(TENANTS, KEYS, TENANTS, KEYS)
def test_two_tenants_or_two_lists_never_have_the_same_key(
    tenant: TenantId, parts: tuple[Any, ...], other: TenantId, others: tuple[Any, ...]
) -> None:
    is_same = identity(tenant, parts) == identity(other, others)
    assert (key_of(tenant, parts) == key_of(other, others)) is is_same


def decoded(text: str) -> tuple[type, Any]:
    """Read a part back: what can be read back was not the same for two parts."""
    read: dict[str, Callable[[str], Any]] = {
        "i=": int,
        "o=": lambda text: bool(int(text)),
        "b=": bytes.fromhex,
        "u=": UUID,
        "n=": lambda text: None,
    }
    if text[:2] in read:
        value: Any = read[text[:2]](text[2:])
    else:
        octets = re.sub(rb"%(..)", lambda found: bytes.fromhex(found[1].decode()), text.encode())
        value = octets.decode("utf-8", "surrogatepass")
    return type(value), value


@given(TENANTS, KEYS)
def test_a_key_can_be_read_back(tenant: TenantId, parts: tuple[Any, ...]) -> None:
    kind, *rest = key_of(tenant, parts).split(":")
    assert kind == "tenant"
    assert list(map(decoded, rest)) == identity(tenant, parts)


@given(TENANTS, KEYS)
def test_a_key_has_no_character_with_a_meaning(tenant: TenantId, parts: tuple[Any, ...]) -> None:
    assert re.fullmatch(r"[\w.~%=:-]+", key_of(tenant, parts), re.ASCII)


@given(TENANTS, KEYS, TENANTS)
def test_a_pattern_matches_one_tenants_keys(
    tenant: TenantId, parts: tuple[Any, ...], other: TenantId
) -> None:
    pattern = key_of(other, ()) + ":*"
    is_same = identity(tenant, ()) == identity(other, ())
    assert fnmatchcase(key_of(tenant, parts), pattern) is (is_same and bool(parts))


def test_it_is_readable() -> None:
    assert key_of("acme", ("invoices", 7)) == "tenant:acme:invoices:i=7"
    assert key_of(7, ("7", None, True, b"\xff")) == "tenant:i=7:7:n=:o=1:b=ff"


def test_there_is_no_key_without_a_tenant() -> None:
    with pytest.raises(MissingTenantContextError):
        tenant_key("invoices", 7)
    with system_scope("a report"), pytest.raises(MissingTenantContextError):
        tenant_key("invoices", 7)


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "part", [1.5, ("a",), Text("a"), object()], ids=["float", "tuple", "text", "object"]
)
def test_other_types_are_refused(part: Any) -> None:
    with tenant_scope("acme"), pytest.raises(TypeError, match=rf"not {type(part).__name__}: give"):
        tenant_key("invoices", part)
