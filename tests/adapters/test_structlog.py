"""The structlog processor, in structlog's own chain."""

from __future__ import annotations

import structlog
from structlog.testing import LogCapture

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.structlog import add_tenant


def test_events_have_the_tenant() -> None:
    captured = LogCapture()
    logger = structlog.wrap_logger(None, processors=[add_tenant, captured])
    logger.info("started")
    with system_scope("a report"):
        logger.info("counts")
    with tenant_scope(7):
        logger.info("paid", total=3)
        logger.info("imported", tenant_id="said by the caller")
    assert [dict(entry, log_level=None) for entry in captured.entries] == [
        {"event": "started", "tenant_scope": "none", "log_level": None},
        {"event": "counts", "tenant_scope": "system", "log_level": None},
        {
            "event": "paid",
            "total": 3,
            "tenant_scope": "tenant",
            "tenant_id": "7",
            "log_level": None,
        },
        {
            "event": "imported",
            "tenant_scope": "tenant",
            "tenant_id": "said by the caller",
            "log_level": None,
        },
    ]
