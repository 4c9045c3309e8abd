"""Valid tenant ids, and the context that holds one."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantshield_mw import TenantContext, TenantResolutionError, tenant_scope
from tenantshield_mw.tenant import check_tenant_id, with_plain_uuid

SOME_UUID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")


class Named:
    def __repr__(self) -> str:
        return "Named()"

    def __str__(self) -> str:
        return "acme"


class DriversUUID(UUID):
    pass


class StrangeStr(str):
    pass


class StrangeInt(int):
    pass


@pytest.mark.parametrize("value", ["acme", "a", "a b", "x" * 255, "müller", 0, 7, -1, SOME_UUID])
def test_a_str_an_int_and_a_uuid_name_a_tenant_unchanged(value: Any) -> None:
    assert TenantContext(value).tenant_id is value


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        " acme",
        "acme ",
        "\tacme",
        "acme\n",
        "ac\x00me",
        "ac\nme",
        "ac\x7fme",
        "ac\u200bme",
        "ac\u202eme",
        "ac\u00a0me",
        "\ud800",
        "x" * 256,
        b"acme",
        bytearray(b"acme"),
        True,
        False,
        None,
        1.0,
        ["acme"],
        ("acme",),
        Named(),
        StrangeStr("acme"),
        StrangeInt(7),
        DriversUUID(int=7),
        object,
    ],
    ids=repr,
)
def test_anything_else_names_no_tenant(value: Any) -> None:
    with pytest.raises(TenantResolutionError):
        TenantContext(value)
    with pytest.raises(TenantResolutionError):
        tenant_scope(value)


async def test_a_future_names_no_tenant() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    with pytest.raises(TenantResolutionError, match="Future"):
        TenantContext(future)  # type: ignore[arg-type]


@given(st.text())
def test_a_str_is_kept_unchanged_or_refused(value: str) -> None:
    try:
        accepted = check_tenant_id(value)
    except TenantResolutionError:
        return
    assert accepted is value
    assert value == value.strip()
    assert 0 < len(value) <= 255


@pytest.mark.parametrize("value", [" <script>", "<script>\n", "<script>" * 40, b"<script>"])
def test_the_error_does_not_repeat_the_refused_value(value: Any) -> None:
    with pytest.raises(TenantResolutionError) as caught:
        check_tenant_id(value)
    assert "script" not in str(caught.value)


def test_the_error_tells_a_drivers_uuid_from_that_of_the_standard_library() -> None:
    with pytest.raises(TenantResolutionError, match=rf"not {__name__}\.DriversUUID;"):
        check_tenant_id(DriversUUID(int=7))
    with pytest.raises(TenantResolutionError, match="not NoneType;"):
        check_tenant_id(None)


def test_a_drivers_uuid_becomes_a_plain_one_and_nothing_else_is_touched() -> None:
    plain = with_plain_uuid(DriversUUID(int=7))
    assert type(plain) is UUID
    assert plain == UUID(int=7)
    for value in (SOME_UUID, "acme", StrangeStr("acme"), StrangeInt(7), None):
        assert with_plain_uuid(value) is value


def test_a_context_cannot_be_changed() -> None:
    tenant = TenantContext("acme", {"plan": "gold"})
    with pytest.raises(AttributeError):
        tenant.tenant_id = "globex"
    with pytest.raises(AttributeError):
        del tenant.tenant_id
    with pytest.raises(TypeError):
        tenant.attributes["plan"] = "free"  # type: ignore[index]
    assert tenant.tenant_id == "acme"
    assert tenant.attributes == {"plan": "gold"}


def test_a_context_keeps_the_attributes_it_was_given() -> None:
    given_attributes = {"plan": "gold"}
    tenant = TenantContext("acme", given_attributes)
    given_attributes["plan"] = "free"
    assert tenant.attributes["plan"] == "gold"


def test_contexts_are_equal_by_identifier_and_its_type() -> None:
    assert TenantContext("acme") == TenantContext("acme", {"plan": "gold"})
    assert hash(TenantContext("acme")) == hash(TenantContext("acme"))
    assert TenantContext("7") != TenantContext(7)
    assert TenantContext("acme") != "acme"


def test_a_context_survives_pickling_and_copying() -> None:
    tenant = TenantContext(SOME_UUID, {"plan": "gold"})
    for other in (pickle.loads(pickle.dumps(tenant)), copy.copy(tenant), copy.deepcopy(tenant)):
        assert other == tenant
        assert other.attributes == {"plan": "gold"}


def test_a_context_shows_its_identifier_and_hides_its_attributes() -> None:
    assert repr(TenantContext("acme", {"secret": "hunter2"})) == "TenantContext('acme')"


@pytest.mark.parametrize(
    "text", [str, format, "{}".format, "tenant-%s".__mod__, lambda tenant: f"page of {tenant}"]
)
def test_its_text_which_would_end_in_a_cache_key_is_an_error_with_the_fix(text: Any) -> None:
    with pytest.raises(TypeError, match=r"tenant\.tenant_id"):
        text(TenantContext("acme"))


def test_a_message_may_have_its_representation() -> None:
    tenant = TenantContext("acme")
    assert f"{tenant!r}" == "%r" % tenant == "TenantContext('acme')"  # noqa: UP031
