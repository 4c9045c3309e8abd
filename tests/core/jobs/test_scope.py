"""In what the jobs of a task run."""

from __future__ import annotations

import pytest

from tenantshield_mw import (
    ConfigurationError,
    SystemContext,
)
from tenantshield_mw.jobs import JobScope


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
