"""The tenant in log lines."""

from __future__ import annotations

import logging
from typing import Final, final

from .context import current_bound
from .tenant import TenantContext

__all__ = ["TenantLogFilter", "log_fields"]

_NONE: Final = {"tenant_scope": "none"}
_SYSTEM: Final = {"tenant_scope": "system"}


def log_fields() -> dict[str, str]:
    """Return what a log line says of the scope.

    Returns:
        ``tenant_scope``: ``"tenant"``, ``"system"`` or ``"none"``; and, in a tenant's scope,
        ``tenant_id``, as text.
    """
    bound = current_bound()
    if isinstance(bound, TenantContext):
        return {"tenant_scope": "tenant", "tenant_id": str(bound.tenant_id)}
    return {**(_NONE if bound is None else _SYSTEM)}


@final
class TenantLogFilter(logging.Filter):
    """Add ``tenant_id`` and ``tenant_scope`` to each log record, for a format such as
    ``"%(levelname)s [%(tenant_id)s] %(message)s"``.

    Give it to handlers: a logger's filter does not see the records of the loggers below it. It
    reads the scope of the code that calls it, so a handler that only queues records must have it
    itself, not the handler behind the queue. What a record has already is kept.

    Args:
        without: the ``tenant_id`` of a record from outside of tenants' scopes.
    """

    def __init__(self, *, without: str = "-") -> None:
        super().__init__()
        self._without: Final = without

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes, and let the record pass."""
        for name, value in {"tenant_id": self._without, **log_fields()}.items():
            record.__dict__.setdefault(name, value)
        return True
