"""The tenant in structlog's events."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from tenantshield_mw.log_fields import log_fields

__all__ = ["add_tenant"]


def add_tenant(
    logger: Any,  # noqa: ARG001
    method_name: str,  # noqa: ARG001
    event_dict: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Add ``tenant_scope`` and, in a tenant's scope, ``tenant_id`` to an event.

    A processor for ``structlog.configure(processors=[add_tenant, ...])``. What the event has
    already is kept.
    """
    for name, value in log_fields().items():
        event_dict.setdefault(name, value)
    return event_dict
