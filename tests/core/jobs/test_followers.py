"""The tasks that follow another one, in the forms in which Celery has them."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw import MissingTenantContextError
from tenantshield_mw.jobs.followers import refuse_followers


def of(name: str, **more: Any) -> dict[str, Any]:
    return {"task": name, "args": (), "kwargs": {}, "options": {}, **more}


NEEDING = of("needs")
OTHER = of("other")


@pytest.mark.parametrize(
    "options",
    [
        {"chain": [NEEDING, OTHER]},
        {"link": NEEDING},
        {"link": [OTHER, NEEDING]},
        {"chord": NEEDING},
        {"chord": of("celery.chain", kwargs={"tasks": [OTHER, NEEDING]})},
        {"chain": [of("celery.chord", kwargs={"header": [OTHER], "body": NEEDING})]},
        {"chain": [of("celery.map", kwargs={"task": NEEDING, "it": [1]})]},
        {"chain": [of("other", options={"link": [NEEDING]})]},
        {"chain": [of("other", options={"chain": [of("other", options={"chord": NEEDING})]})]},
    ],
)
def test_one_that_needs_a_tenant_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(MissingTenantContextError, match="'needs' works for a tenant"):
        refuse_followers(options, lambda name: name == "needs")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chain": None, "link": (), "chord": None},
        {"chain": [OTHER], "link": [OTHER], "chord": OTHER},
        # It may be called instead of being sent.
        {"link_error": [NEEDING]},
        # An argument of the application's own task, which may be anything.
        {"chain": [of("other", kwargs={"task": NEEDING})]},
        {"chain": [of("celery.map", kwargs={"task": OTHER, "it": ["needs"]})]},
        {"chain": [of("celery.map", kwargs={"task": OTHER, "it": [{"name": "needs"}]})]},
    ],
)
def test_others_are_not(options: dict[str, Any]) -> None:
    refuse_followers(options, lambda name: name == "needs")
