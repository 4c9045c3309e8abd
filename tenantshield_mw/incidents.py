"""A hook for what should not happen often: refused requests and cross-tenant errors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["Incident", "IncidentListener", "on_incident", "tell"]

_logger: Final = logging.getLogger("tenantshield_mw")


@dataclass(frozen=True, slots=True)
class Incident:
    """What happened. There is no tenant in it, so a metric that is labelled with all of it has few
    series, and tells nobody who the customers are.

    Attributes:
        kind: ``"refusal"``, a request that was refused; or ``"cross_tenant_error"``, a
            :class:`~tenantshield_mw.CrossTenantAccessError`, also if the application catches it or
            report mode only reports it. A request that ends with one is also a refusal.
        code: the refusal's, as in the problem detail, such as ``"tenant_unknown"``; of an error,
            ``"cross_tenant"``.
    """

    kind: Literal["refusal", "cross_tenant_error"]
    code: str


IncidentListener: TypeAlias = Callable[[Incident], object]

# Replaced, never changed, so that another thread can go through it meanwhile. Each is in a list
# of its own, so that one that was given twice can be removed once.
_listeners: tuple[list[IncidentListener], ...] = ()

_is_telling: Final[ContextVar[bool]] = ContextVar("tenantshield_mw_is_telling", default=False)


def on_incident(listener: IncidentListener) -> Callable[[], None]:
    """Call ``listener`` at each incident of this process, until the returned function is called.

    It runs at once, in the thread in which the incident happens, so it should be quick. A
    cross-tenant error is told in the scope of the code that gets it, of which
    ``try_current_tenant()`` then tells the tenant. What a listener raises is logged, and changes
    nothing for the request; an incident that it causes itself is not told.

    Args:
        listener: a sync callable that takes an :class:`Incident`.
    """
    global _listeners  # noqa: PLW0603
    entry = [listener]
    _listeners = (*_listeners, entry)

    def stop() -> None:
        global _listeners  # noqa: PLW0603
        _listeners = tuple(each for each in _listeners if each is not entry)

    return stop


def tell(incident: Incident) -> None:
    """Call the listeners."""
    if not _listeners or _is_telling.get():
        return
    token = _is_telling.set(True)
    try:
        for (listener,) in _listeners:
            try:
                listener(incident)
            except Exception:
                _logger.exception("a listener of on_incident() failed")
    finally:
        _is_telling.reset(token)
