"""What messages carry, how it is signed, and in what their jobs run."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import Any
from uuid import UUID

import pytest

from tenantshield_mw import (
    ConfigurationError,
    MissingTenantContextError,
    ScopeMismatchError,
    SystemContext,
    TenantContext,
    TenantDirectory,
    TenantId,
    TenantNotFoundError,
    TenantResolutionError,
    TenantState,
    TenantSuspendedError,
    TenantUnauthenticatedError,
    current_tenant,
    system_scope,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.jobs import JobScope, JobTenants, afor_each_tenant, for_each_tenant
from tenantshield_mw.jobs.envelope import Signer, packed, unpacked
from tenantshield_mw.jobs.scope import ONE_TENANT

OLD, NEW, FOREIGN = (letter * 32 for letter in (b"o", b"n", b"f"))
A_UUID = UUID("6f9619ff-8b86-d011-b42d-00c04fc964ff")
NO_TENANT = JobScope(needs_tenant=False)


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


@pytest.mark.parametrize(
    "options",
    [
        {"tenant": "acme"},
        {"tenant": None, "system": "statistics"},
        {"system": ""},
        {"system": " "},
        {"system": None},
        {"system": True},
    ],
)
def test_a_task_says_either_no_tenant_or_a_reason(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="'remind'"):
        JobScope.declared(options, "remind")


def test_a_task_that_says_nothing_needs_a_tenant() -> None:
    assert JobScope.declared({"queue": "default"}, "remind").needs_tenant
    assert not JobScope.declared({"tenant": None}, "remind").needs_tenant
    bound = JobScope.declared({"system": "statistics"}, "remind").bound
    assert isinstance(bound, SystemContext)
    assert bound.reason == "statistics"


def test_what_a_message_carries_is_the_tenant_in_scope_without_its_attributes() -> None:
    tenants = JobTenants(directory=None)
    with tenant_scope(TenantContext(7, {"plan": "large"}, {"sub": "somebody"})):
        assert tenants.carried(ONE_TENANT, "remind", "1") == {"int": 7}
        assert tenants.carried(NO_TENANT, "remind", "1") is None
    assert tenants.carried(NO_TENANT, "remind", "1") is None


def test_a_job_that_needs_a_tenant_is_not_enqueued_without() -> None:
    tenants = JobTenants(directory=None)
    with pytest.raises(MissingTenantContextError, match="none is in scope"):
        tenants.carried(ONE_TENANT, "remind", "1")
    with (
        system_scope("a test"),
        pytest.raises(MissingTenantContextError, match="a system scope names none"),
    ):
        tenants.carried(ONE_TENANT, "remind", "1", unless_bound="acme")


def test_the_tenant_in_scope_wins_over_that_of_a_job_that_is_sent_again() -> None:
    tenants = JobTenants(directory=None)
    assert tenants.carried(ONE_TENANT, "remind", "1", unless_bound="acme") == {"str": "acme"}
    with tenant_scope("globex"):
        assert tenants.carried(ONE_TENANT, "remind", "1", unless_bound="acme") == {"str": "globex"}


def test_a_message_without_a_tenant_is_refused_and_so_is_one_with_a_needless_one() -> None:
    tenants = JobTenants(directory=None)
    with pytest.raises(MissingTenantContextError, match="is not run"):
        tenants.named(ONE_TENANT, None, "remind", "1")
    with pytest.raises(ScopeMismatchError, match="runs without a tenant"):
        tenants.named(NO_TENANT, {"str": "acme"}, "remind", "1")
    assert tenants.named(NO_TENANT, None, "remind", "1") is None


def _look_up(tenant_id: TenantId) -> TenantContext | TenantState:
    if tenant_id == "acme":
        return TenantContext("acme", {"plan": "large"})
    if tenant_id == "other":
        return TenantContext("acme")
    if tenant_id == "broken":
        raise OSError("no database")
    return TenantState.SUSPENDED if tenant_id == "suspended" else TenantState.UNKNOWN


async def _alook_up(tenant_id: TenantId) -> TenantContext | TenantState:
    await asyncio.sleep(0)
    return _look_up(tenant_id)


def _bound(tenants: JobTenants, tenant_id: TenantId | None, is_async: bool) -> Any:
    if is_async:
        return asyncio.run(tenants.abound(ONE_TENANT, tenant_id))
    return tenants.bound(ONE_TENANT, tenant_id)


@pytest.mark.parametrize("lookup", [_look_up, _alook_up])
def test_a_worker_asks_the_directory(lookup: Any) -> None:
    tenants = JobTenants(directory=TenantDirectory(lookup))
    is_async = lookup is _alook_up
    assert _bound(tenants, "acme", is_async).attributes == {"plan": "large"}
    for tenant_id, error in (
        ("suspended", TenantSuspendedError),
        ("gone", TenantNotFoundError),
        ("other", ConfigurationError),
        ("broken", OSError),
    ):
        with pytest.raises(error):
            _bound(tenants, tenant_id, is_async)


def test_without_a_directory_nobody_is_asked() -> None:
    tenants = JobTenants(directory=None)
    assert tenants.bound(ONE_TENANT, "gone") == TenantContext("gone")
    assert asyncio.run(tenants.abound(ONE_TENANT, "gone")) == TenantContext("gone")


def test_a_job_that_works_for_no_tenant_runs_as_it_says() -> None:
    tenants = JobTenants(directory=_look_up)
    scope = JobScope.declared({"system": "statistics"}, "statistics")
    assert tenants.bound(scope, None) is scope.bound
    assert asyncio.run(tenants.abound(scope, None)) is scope.bound
    assert tenants.bound(NO_TENANT, None) is None


def test_a_sync_worker_refuses_an_async_lookup() -> None:
    with pytest.raises(ConfigurationError, match="await"):
        JobTenants(directory=_alook_up).bound(ONE_TENANT, "acme")


def test_only_a_tenant_that_may_come_back_is_treated_as_the_option_says() -> None:
    tenants = JobTenants(directory=None, on_refused="dead_letter")
    assert tenants.disposal(TenantSuspendedError()) == "dead_letter"
    assert tenants.disposal(TenantNotFoundError()) == "dead_letter"
    assert tenants.disposal(MissingTenantContextError()) == "reject"
    assert tenants.disposal(TenantUnauthenticatedError()) == "reject"
    assert tenants.disposal(OSError("no database")) == "retry"
    assert tenants.disposal(ConfigurationError()) == "retry"
    with pytest.raises(ConfigurationError, match="'retry'"):
        JobTenants(directory=None, on_refused="drop")  # type: ignore[arg-type]


class _AtOnce:
    """Calls that wait until as many have begun as may run at a time."""

    def __init__(self, parallel: int) -> None:
        self._lock = threading.Lock()
        self._all = threading.Barrier(parallel)
        self._running = 0
        self.most = 0

    def __call__(self) -> TenantId:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
        self._all.wait(30)
        with self._lock:
            self._running -= 1
        return current_tenant().tenant_id


def test_each_active_tenant_gets_a_call_in_its_scope_some_at_a_time() -> None:
    call = _AtOnce(3)
    with system_scope("a test"):
        results = for_each_tenant([1, 2, 3, 2, 1, 4, 5, 6], call, directory=None, parallel=3)
    assert results == {number: number for number in range(1, 7)}
    assert call.most == 3
    assert try_current_tenant() is None


def test_tenants_that_are_not_active_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tenantshield_mw"):
        results = for_each_tenant(
            ["acme", "suspended", "gone"],
            lambda: current_tenant().attributes["plan"],
            directory=_look_up,
            parallel=2,
        )
    assert results == {"acme": "large"}
    assert caplog.messages == ["left 2 tenants out that are not active"]


def test_a_call_that_fails_keeps_no_other_from_being_made() -> None:
    called: list[TenantId] = []

    def call() -> None:
        called.append(current_tenant().tenant_id)
        if called[-1] == 2:
            raise TenantSuspendedError("raised by what is called")

    with pytest.raises(ExceptionGroup, match="1 of 3 tenants failed") as raised:
        for_each_tenant([1, 2, 3], call, directory=None, parallel=1)
    assert called == [1, 2, 3]
    assert raised.value.exceptions[0].__notes__ == ["raised for the tenant 2"]
    with pytest.raises(ExceptionGroup) as raised:
        for_each_tenant(["broken", "acme"], lambda: None, directory=_look_up, parallel=1)
    assert isinstance(raised.value.exceptions[0], OSError)


@pytest.mark.parametrize("parallel", [0, -1, True, 1.5, None])
def test_the_number_of_calls_at_a_time_is_checked(parallel: Any) -> None:
    with pytest.raises(ConfigurationError, match="parallel"):
        for_each_tenant([1], current_tenant, directory=None, parallel=parallel)


def test_nothing_is_called_if_an_id_is_none() -> None:
    called: list[TenantContext] = []
    tenants: Any = ["acme", None]
    with pytest.raises(TenantResolutionError):
        for_each_tenant(
            tenants, lambda: called.append(current_tenant()), directory=None, parallel=1
        )
    assert called == []


async def test_each_active_tenant_gets_an_async_call_some_at_a_time() -> None:
    running = most = 0
    all_begun = asyncio.Barrier(3)

    async def call() -> TenantId:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.wait_for(all_begun.wait(), 30)
        running -= 1
        return current_tenant().tenant_id

    tenants: list[TenantId] = [1, 2, 3, 3, 4, 5, 6]
    results = await afor_each_tenant(tenants, call, directory=None, parallel=3)
    assert results == {number: number for number in range(1, 7)}
    assert most == 3
    assert try_current_tenant() is None


async def test_async_calls_leave_inactive_tenants_out_and_go_on_after_a_failure() -> None:
    called: list[TenantId] = []

    async def call() -> None:
        await asyncio.sleep(0)
        called.append(current_tenant().tenant_id)

    with pytest.raises(ExceptionGroup, match="1 of 4 tenants failed"):
        await afor_each_tenant(
            ["broken", "suspended", "gone", "acme"], call, directory=_alook_up, parallel=1
        )
    assert called == ["acme"]
