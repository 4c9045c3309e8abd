"""How an application sends a job's tenant, and how a worker finds it again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tenantshield_mw import (
    ConfigurationError,
    MissingTenantContextError,
    ScopeMismatchError,
    TenantContext,
    TenantDirectory,
    TenantId,
    TenantNotFoundError,
    TenantSuspendedError,
    TenantUnauthenticatedError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.jobs import JobScope, JobTenants
from tenantshield_mw.jobs.scope import ONE_TENANT

from .directory import alook_up, look_up

NO_TENANT = JobScope(needs_tenant=False)


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


def _bound(tenants: JobTenants, tenant_id: TenantId | None, is_async: bool) -> Any:
    if is_async:
        return asyncio.run(tenants.abound(ONE_TENANT, tenant_id))
    return tenants.bound(ONE_TENANT, tenant_id)


@pytest.mark.parametrize("lookup", [look_up, alook_up])
def test_a_worker_asks_the_directory(lookup: Any) -> None:
    tenants = JobTenants(directory=TenantDirectory(lookup))
    is_async = lookup is alook_up
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
    tenants = JobTenants(directory=look_up)
    scope = JobScope.declared({"system": "statistics"}, "statistics")
    assert tenants.bound(scope, None) is scope.bound
    assert asyncio.run(tenants.abound(scope, None)) is scope.bound
    assert tenants.bound(NO_TENANT, None) is None


def test_a_sync_worker_refuses_an_async_lookup() -> None:
    with pytest.raises(ConfigurationError, match="await"):
        JobTenants(directory=alook_up).bound(ONE_TENANT, "acme")


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
