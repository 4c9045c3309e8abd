"""Requests, and what is found in the answers to them."""

from __future__ import annotations

import pytest

from tenantshield_mw.adapters.testing.requests import Answer, Request


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ((), b"the ownersmark"),
        ((("location", "/of/owners%6dark"),), b""),
        ((("x", "ownersmark"),), b""),
        ((), b'["owners\\u006dark"]'),
        ((), b'{"owners\\u006dark": 1}'),
        ((), b'{"a": [{"b": "of owners\\u006dark"}]}'),
        ((), b"owners&#109;ark"),
        ((), b"\xff ownersmark"),
    ],
)
def test_a_mark_is_found_wherever_it_is(headers: tuple[tuple[str, str], ...], body: bytes) -> None:
    assert Answer(200, headers, body).carries("ownersmark")
    assert not Answer(200, headers, body).carries("ownermark")


def test_a_request_says_what_it_is() -> None:
    request = Request("PUT", "/a/1", {"tag": ["x", "y"], "all": True}, {"on": False}, form=True)
    assert str(request) == 'PUT /a/1?tag=x&tag=y&all=true {"on": false}'
    assert request.content == b"on=false"
    assert Request("GET", "/a").content == b""
