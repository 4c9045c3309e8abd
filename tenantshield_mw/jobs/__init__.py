"""Jobs: the tenant follows into a queue, and is looked up again where the job runs.

What the adapters for job queues have in common. An application uses those, such as
:mod:`tenantshield_mw.adapters.celery`, and :func:`for_each_tenant` from here.
"""

from __future__ import annotations

from .each import Progress, afor_each_tenant, for_each_tenant
from .envelope import HEADER
from .scope import JobScope
from .tenants import JobTenants, OnRefused

__all__ = [
    "HEADER",
    "JobScope",
    "JobTenants",
    "OnRefused",
    "Progress",
    "afor_each_tenant",
    "for_each_tenant",
]
