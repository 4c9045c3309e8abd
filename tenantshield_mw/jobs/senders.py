"""For which tenant a queue sends what follows a job that does not run in his scope.

That is the next part of a chain, a callback or another attempt: the queue sends it, not the job's
own code.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Final

from tenantshield_mw.context import Bound, current_bound
from tenantshield_mw.tenant import TenantContext, TenantId

from .scope import JobScope

__all__ = ["SENDER", "Sender", "sending_for_itself", "sends_for"]


_ALONE: Final = "_tenantshield_alone"


@dataclass(frozen=True, slots=True)
class Sender:
    """A job that was sent in a tenant's scope and does not run there: it needs no tenant, or it
    was refused, or has run before.

    Attributes:
        tenant_id: the tenant, whose are the messages that the queue sends for it.
        message_id: the id of its message.
        bound: what is bound meanwhile, so that the job and its hooks reach none of his rows.
        is_running: whether the job's own code runs, which sends for itself.
    """

    tenant_id: TenantId
    message_id: str
    bound: Bound = None
    is_running: bool = False


SENDER: Final[ContextVar[Sender | None]] = ContextVar("tenantshield_mw_sender", default=None)
"""The job for which the queue sends messages in this context; ``None`` if it runs in its tenant's
scope, or there is none."""


def sends_for(scope: JobScope, message_id: str) -> TenantId | None:
    """Return the tenant for whom a new message is sent; ``None`` if there is none.

    Args:
        scope: what the job of the message runs in.
        message_id: the id of the message, which each attempt at the job keeps.
    """
    bound, sender = current_bound(), SENDER.get()
    if sender is not None and sender.message_id == message_id and not scope.needs_tenant:
        return sender.tenant_id
    if isinstance(bound, TenantContext):
        return bound.tenant_id
    if sender is not None and sender.bound is bound and not sender.is_running:
        return sender.tenant_id
    return None


def sending_for_itself(run: Any) -> Any:
    """Return the code of a job that runs without a tenant, so that it sends nothing for one.

    Args:
        run: a function or a static method; what this has returned is returned as it is.
    """
    if isinstance(run, staticmethod):
        return staticmethod(sending_for_itself(run.__func__))
    if hasattr(run, _ALONE):
        return run

    @wraps(run)
    def running(*args: Any, **kwargs: Any) -> Any:
        sender = SENDER.get()
        token = SENDER.set(None if sender is None else replace(sender, is_running=True))
        try:
            return run(*args, **kwargs)
        finally:
            SENDER.reset(token)

    setattr(running, _ALONE, True)
    return running
