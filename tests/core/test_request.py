"""Reading a request: the path is the same in both interfaces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantshield_mw.request import path

from .calling import as_environ, http_scope


@pytest.mark.parametrize(
    ("root", "full", "inside"),
    [
        ("", "/", "/"),
        ("", "/invoices", "/invoices"),
        ("/api", "/api/invoices", "/invoices"),
        ("/api", "/api", ""),
        ("/api", "/api/", "/"),
        ("/api/", "/api//invoices", "/invoices"),
        ("/", "//invoices", "/invoices"),
        ("", "/müller/ü", "/müller/ü"),
    ],
)
def test_a_path_is_the_one_within_the_application(root: str, full: str, inside: str) -> None:
    assert path(http_scope(full, root_path=root)) == inside
    assert path(as_environ(inside, SCRIPT_NAME=root)) == inside


@pytest.mark.parametrize(
    ("root", "full"), [("/api", "/invoices"), ("/api", "/apix"), ("/", "/invoices")]
)
def test_a_server_that_removes_the_mount_point_from_the_path_is_supported(
    root: str, full: str
) -> None:
    assert path(http_scope(full, root_path=root)) == full


def test_a_scope_need_not_name_a_mount_point() -> None:
    scope = http_scope("/invoices")
    del scope["root_path"]
    assert path(scope) == "/invoices"


def test_an_environ_need_not_have_a_path() -> None:
    environ = as_environ()
    del environ["PATH_INFO"]
    assert path(environ) == ""


@given(st.text(st.characters(codec="utf-8")))
def test_any_path_is_the_same_in_both(rest: str) -> None:
    assert path(http_scope("/" + rest)) == "/" + rest
    assert path(as_environ("/" + rest)) == "/" + rest


@given(st.binary())
def test_any_bytes_in_a_path_are_read(octets: bytes) -> None:
    read: Any = path(as_environ(PATH_INFO="/" + octets.decode("latin-1")))
    assert read == "/" + octets.decode("utf-8", "replace")
