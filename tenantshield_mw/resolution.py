"""Call a resolver, sync or async, and turn its answer into a tenant."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from types import MethodType
from typing import Any, Final, TypeAlias, TypeGuard, cast
from uuid import UUID

from .context import as_tenant_context
from .errors import ConfigurationError, TenantResolutionError
from .request import Memo
from .tenant import TenantContext, TenantId

__all__ = [
    "CANNOT_AWAIT",
    "TWICE_AWAITABLE",
    "Answer",
    "EitherResolver",
    "Resolver",
    "SyncResolver",
    "another_tenant",
    "callable_directly",
    "checked_resolvers",
    "close_unawaited",
    "is_awaitable",
    "is_undone",
    "tenant_named",
    "tenant_of",
]

Answer: TypeAlias = TenantContext | TenantId | None
"""A resolver's answer: the tenant, or ``None`` if the request names none."""

SyncResolver: TypeAlias = Callable[[Any], Answer]
"""A callable that takes the raw ASGI scope or the raw WSGI environ."""

Resolver: TypeAlias = Callable[[Any], Answer | Awaitable[Answer]]
"""A sync or async callable that takes the raw ASGI scope."""

EitherResolver: TypeAlias = Callable[[Any], Any]
"""A resolver for both interfaces; under ASGI its answer may be awaitable."""

TWICE_AWAITABLE: Final = (
    "awaiting what the resolver returned gave another awaitable; await that inside the resolver"
)
CANNOT_AWAIT: Final = (
    "the resolver returned an awaitable, and a WSGI app cannot await; give "
    "TenantSessionMiddlewareWSGI a sync resolver, or use TenantSessionMiddleware"
)

tenant_named: Final[Memo[str, TenantContext]] = Memo(TenantContext)
"""The tenant that a ``str`` names; raises what :class:`TenantContext` raises. Contexts are
immutable, so requests for one tenant may share one."""

_ANSWERS: Final = (TenantContext, str, int, UUID)


def callable_directly(resolver: Resolver) -> Resolver:
    """Check ``resolver`` and return its cheapest callable form.

    Raises:
        ConfigurationError: ``resolver`` is not callable.
    """
    if not callable(resolver):
        raise ConfigurationError(
            "resolve_tenant must be a callable that takes the ASGI scope or the WSGI "
            'environ, for example resolvers.header("X-Tenant-ID")'
        )
    # An instance is called through its class's slot, its bound method is not.
    method = getattr(resolver, "__call__")  # noqa: B004, B009
    return method if isinstance(method, MethodType) else resolver


def checked_resolvers(
    caller: str, resolvers: tuple[EitherResolver, ...]
) -> tuple[EitherResolver, ...]:
    """Check the resolvers that ``caller`` combines, and return their cheapest callable form.

    Raises:
        ConfigurationError: there is none, or one is not callable.
    """
    if not resolvers:
        raise ConfigurationError(f"{caller}() takes at least one resolver")
    return tuple(callable_directly(resolver) for resolver in resolvers)


def is_awaitable(answer: object) -> TypeGuard[Awaitable[object]]:
    """Return whether an answer has to be awaited: a coroutine, a ``Future`` or ``Task``, or any
    object with ``__await__``.
    """
    # The usual answers first: isawaitable() goes through an abstract base class.
    if answer is None or isinstance(answer, _ANSWERS):
        return False
    return inspect.iscoroutine(answer) or inspect.isawaitable(answer)


def is_undone(result: object) -> bool:
    """Return whether the work of a call is still to be done by what it returned: an awaitable or a
    generator.
    """
    return is_awaitable(result) or isinstance(result, Generator | AsyncGenerator)


def close_unawaited(answer: object) -> None:
    """Close ``answer`` if it is a coroutine, which would warn that it was never awaited."""
    if inspect.iscoroutine(answer):
        answer.close()


def another_tenant() -> TenantResolutionError:
    """Return the error for a request that two middlewares, one around the other, would bind to
    different tenants. What was proved to the outer one must not be replaced in the inner one.
    """
    return TenantResolutionError(
        "the request names another tenant than the one that the middleware around this one has "
        "bound it to"
    )


def tenant_of(answer: object, *, if_awaitable: str) -> TenantContext | None:
    """Return the tenant of a resolver's answer.

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
        close_unawaited(answer)
        raise ConfigurationError(if_awaitable)
    # as_tenant_context() refuses everything that is no tenant id.
    return as_tenant_context(cast("TenantContext | TenantId", answer))
