"""Calling a resolver, sync or async, and judging what it answers."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from types import MethodType
from typing import Any, Final, TypeAlias, TypeGuard, cast
from uuid import UUID

from .context import as_tenant_context
from .errors import ConfigurationError
from .request import Memo
from .tenant import TenantContext, TenantId

__all__ = [
    "Answer",
    "EitherResolver",
    "Resolver",
    "SyncResolver",
    "callable_directly",
    "is_awaitable",
    "tenant_named",
    "tenant_of",
]

Answer: TypeAlias = TenantContext | TenantId | None
"""What a resolver says: the tenant, or ``None`` if the request names none."""

SyncResolver: TypeAlias = Callable[[Any], Answer]
"""A callable that takes the raw ASGI scope or the raw WSGI environ."""

Resolver: TypeAlias = Callable[[Any], Answer | Awaitable[Answer]]
"""The same for ASGI, where it may be async."""

EitherResolver: TypeAlias = Callable[[Any], Any]
"""One whose answer may be an awaitable under ASGI, if that of what it asks is."""

tenant_named: Final[Memo[str, TenantContext]] = Memo(TenantContext)
"""The tenant that a resolver means by a ``str``; raises what :class:`TenantContext` raises.
Immutable, so requests for one tenant may share it."""

_ANSWERS: Final = (TenantContext, str, int, UUID)


def callable_directly(resolver: Resolver) -> Resolver:
    """Return ``resolver``, checked, in the form that costs least to call.

    Raises:
        ConfigurationError: ``resolver`` is not callable.
    """
    if not callable(resolver):
        raise ConfigurationError(
            "resolve_tenant must be a callable that takes the ASGI scope or the WSGI "
            'environ, for example header("X-Tenant-ID")'
        )
    # An instance is called through its class's slot, its bound method is not.
    method = getattr(resolver, "__call__")  # noqa: B004, B009
    return method if isinstance(method, MethodType) else resolver


def is_awaitable(answer: object) -> TypeGuard[Awaitable[object]]:
    """Say whether a resolver's answer is still to be awaited: a coroutine, a ``Future``
    or ``Task``, or any object with ``__await__``.
    """
    # What needs no asking: the last question goes through an abstract base class.
    if answer is None or isinstance(answer, _ANSWERS):
        return False
    return inspect.iscoroutine(answer) or inspect.isawaitable(answer)


def tenant_of(answer: object, *, if_awaitable: str) -> TenantContext | None:
    """Return the tenant that an answer stands for.

    Args:
        answer: what a resolver returned.
        if_awaitable: the text of the :class:`ConfigurationError`.

    Raises:
        TenantResolutionError: the answer cannot name a tenant.
        ConfigurationError: the answer is an awaitable; a coroutine is closed.
    """
    if answer is None:
        return None
    if type(answer) is str:
        return tenant_named[answer]
    if is_awaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise ConfigurationError(if_awaitable)
    # Anything that is no tenant id, so says the check of it.
    return as_tenant_context(cast("TenantContext | TenantId", answer))
