"""Cookies and query strings in any order and spelling, compared with a simple parser."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantshield_mw import TenantContext, TenantResolutionError, resolvers

from ..core.calling import as_environ, http_scope

REFUSED = object()

PIECES = ["tenant", "tenant=", "tenant=acme", "tenant=globex", "acme", "x", "="]


def texts(*pieces: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from([*PIECES, *pieces]), max_size=9).map("".join)


COOKIES = texts(";", "; ", "; ", " ", "\t")
QUERIES = st.one_of(texts("&", "&", "&"), texts("&", "&", "+", "%61", "t%65nant="))


def told(resolver: Any, request: Any) -> Any:
    try:
        tenant = resolver(request)
    except TenantResolutionError:
        return REFUSED
    return None if tenant is None else tenant.tenant_id


def the_one(values: set[str]) -> Any:
    if not values:
        return None
    return values.pop() if len(values) == 1 else REFUSED


@given(COOKIES)
def test_a_cookie_is_found_in_any_position(field: str) -> None:
    pairs = [pair.partition("=") for pair in field.split(";")]
    named = the_one(
        {value.strip() for key, sign, value in pairs if sign and key.strip() == "tenant"}
    )
    if isinstance(named, str) and not re.fullmatch("[a-z=]+", named):
        named = REFUSED
    scope = http_scope(headers=[(b"cookie", field.encode())])
    assert told(resolvers.cookie("tenant"), scope) == named
    assert told(resolvers.cookie("tenant"), as_environ(HTTP_COOKIE=field)) == named


@given(QUERIES)
def test_a_parameter_is_found_in_any_position(text: str) -> None:
    parameters = parse_qsl(text, keep_blank_values=True)
    named = the_one({value for key, value in parameters if key == "tenant"})
    if isinstance(named, str):
        try:
            TenantContext(named)
        except TenantResolutionError:
            named = REFUSED
    assert told(resolvers.query("tenant"), http_scope(query_string=text.encode())) == named
    assert told(resolvers.query("tenant"), as_environ(QUERY_STRING=text)) == named


@pytest.mark.parametrize("name", ["a&b", "a=b", "a+b", "a%62"])
def test_a_parameter_whose_name_must_be_encoded_is_found_only_if_it_is(name: str) -> None:
    encoded = "".join(f"%{octet:02X}" for octet in name.encode())
    assert told(resolvers.query(name), as_environ(QUERY_STRING=f"{encoded}=acme")) == "acme"
    assert told(resolvers.query(name), as_environ(QUERY_STRING=f"{name}=acme")) is None
