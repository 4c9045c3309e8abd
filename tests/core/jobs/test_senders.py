"""For which tenant a message is sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tenantshield_mw import TenantId, system_scope, tenant_scope
from tenantshield_mw.context import current_bound
from tenantshield_mw.jobs import JobScope
from tenantshield_mw.jobs.scope import ONE_TENANT
from tenantshield_mw.jobs.senders import SENDER, Sender, sending_for_itself, sends_for

NONE = JobScope(needs_tenant=False)


@pytest.fixture
def acme() -> Iterator[None]:
    """A job of acme's that needs no tenant."""
    token = SENDER.set(Sender("acme", "1"))
    yield
    SENDER.reset(token)


@pytest.mark.parametrize("scope", [ONE_TENANT, NONE])
def test_a_message_is_sent_for_the_tenant_in_scope(scope: JobScope) -> None:
    assert sends_for(scope, "1") is None
    with tenant_scope("acme"):
        assert sends_for(scope, "1") == "acme"
    with system_scope("a test"):
        assert sends_for(scope, "1") is None


@pytest.mark.parametrize("scope", [ONE_TENANT, NONE])
def test_what_follows_a_job_is_its_tenants(scope: JobScope, acme: None) -> None:
    assert sends_for(scope, "2") == "acme"
    with tenant_scope("globex"):
        assert sends_for(scope, "2") == "globex"
    # Not of the scope that the job itself runs in.
    with system_scope("a test"):
        assert sends_for(scope, "2") is None


def test_it_is_so_in_the_system_scope_that_the_job_runs_in() -> None:
    with system_scope("a job"):
        token = SENDER.set(Sender("acme", "1", current_bound()))
        assert sends_for(ONE_TENANT, "2") == "acme"
        with system_scope("a job"):
            assert sends_for(ONE_TENANT, "2") is None
        SENDER.reset(token)


def test_the_code_of_a_job_sends_for_itself_but_another_attempt(acme: None) -> None:
    def run() -> list[TenantId | None]:
        found = [sends_for(ONE_TENANT, "2"), sends_for(NONE, "2"), sends_for(NONE, "1")]
        with tenant_scope("globex"):
            return [*found, sends_for(ONE_TENANT, "2"), sends_for(NONE, "1")]

    alone = sending_for_itself(run)
    assert sending_for_itself(alone) is alone
    assert sending_for_itself(staticmethod(run)).__func__() == alone()
    assert alone() == [None, None, "acme", "globex", "acme"]
    assert sends_for(ONE_TENANT, "2") == "acme"
