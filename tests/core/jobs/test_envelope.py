"""What messages carry, and how it is signed."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from tenantshield_mw import (
    ConfigurationError,
    TenantId,
    TenantResolutionError,
    TenantUnauthenticatedError,
)
from tenantshield_mw.jobs.envelope import Signer, packed, unpacked

OLD, NEW, FOREIGN = (letter * 32 for letter in (b"o", b"n", b"f"))
A_UUID = UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")


@pytest.mark.parametrize("tenant_id", ["acme", "7", 7, -1, 2**70, A_UUID, str(A_UUID), "ä\u4e2d"])
def test_an_id_comes_back_from_json_with_its_type(tenant_id: TenantId) -> None:
    back = unpacked(json.loads(json.dumps(packed(tenant_id))))
    assert (type(back), back) == (type(tenant_id), tenant_id)


@pytest.mark.parametrize(
    "carried",
    [
        "acme",
        b"acme",
        7,
        {},
        [],
        ["str", "acme"],
        {"signature": "00"},
        {"str": 7},
        {"str": ""},
        {"str": " acme"},
        {"str": "a" * 256},
        {"int": "7"},
        {"int": True},
        {"int": 7.0},
        {"uuid": 7},
        {"uuid": "acme"},
        {"uuid": str(A_UUID).upper()},
        {"uuid": f"{{{A_UUID}}}"},
        {"str": "acme", "int": 7},
        {"str": "acme", "version": 2},
        {"name": "acme"},
    ],
)
def test_anything_else_names_no_tenant(carried: object) -> None:
    with pytest.raises(TenantResolutionError) as raised:
        unpacked(carried)
    assert "acme" not in str(raised.value)


def test_a_signature_is_valid_for_its_tenant_task_and_message_alone() -> None:
    signer = Signer([NEW])
    carried = signer.signed("acme", "remind", "1")
    assert signer.verified(json.loads(json.dumps(carried)), "remind", "1") == "acme"
    for forged, task, message_id in (
        ({**carried, "str": "globex"}, "remind", "1"),
        (carried, "delete", "1"),
        (carried, "remind", "2"),
        ({**carried, "signature": carried["signature"][:-1]}, "remind", "1"),
        ({**carried, "signature": "ä"}, "remind", "1"),
        ({**carried, "signature": None}, "remind", "1"),
        ({"str": "acme"}, "remind", "1"),
    ):
        with pytest.raises(TenantUnauthenticatedError):
            signer.verified(forged, task, message_id)


def test_the_type_of_an_id_is_signed() -> None:
    signer = Signer([NEW])
    signature = signer.signed(7, "remind", "1")["signature"]
    with pytest.raises(TenantUnauthenticatedError):
        signer.verified({"str": "7", "signature": signature}, "remind", "1")


def test_no_part_of_what_is_signed_can_pass_for_another() -> None:
    signer = Signer([NEW])
    assert (
        signer.signed("acme", "a", "b|c")["signature"]
        != signer.signed("acme", "a|b", "c")["signature"]
    )
    assert (
        signer.signed("acme", 'a", "b', "c")["signature"]
        != signer.signed("acme", "a", 'b", "c')["signature"]
    )


def test_keys_are_rotated_by_putting_the_new_one_first() -> None:
    before = Signer([OLD]).signed("acme", "remind", "1")
    after = Signer([NEW, OLD]).signed("acme", "remind", "1")
    assert Signer([NEW, OLD]).verified(before, "remind", "1") == "acme"
    assert Signer([NEW]).verified(after, "remind", "1") == "acme"
    with pytest.raises(TenantUnauthenticatedError):
        Signer([NEW]).verified(before, "remind", "1")
    with pytest.raises(TenantUnauthenticatedError):
        Signer([FOREIGN]).verified(after, "remind", "1")


def test_a_worker_without_keys_takes_what_is_signed() -> None:
    carried = Signer([NEW]).signed("acme", "remind", "1")
    assert Signer([]).verified(carried, "remind", "1") == "acme"


@pytest.mark.parametrize("keys", [[b"short"], ["k" * 32], b"k" * 32, "k" * 32, [NEW, b""]])
def test_a_weak_key_is_refused_and_not_quoted(keys: Any) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Signer(keys)
    assert "kkk" not in str(raised.value)
