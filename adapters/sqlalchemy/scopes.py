"""Scopes for code outside a request: commands, jobs, scripts.

The sync and the async surface are parallel. Both bind the same ``ContextVar`` and work
with every session, however it was made.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable
from types import FrameType, TracebackType
from typing import Any, TypeAlias

from tenantshield_mw.context import Binding, as_tenant_context, bind, leave
from tenantshield_mw.directory import Lookup, TenantDirectory, as_directory
from tenantshield_mw.errors import ConfigurationError
from tenantshield_mw.generators import check_generators, may_be_suspended
from tenantshield_mw.tenant import TenantContext, TenantId

__all__ = [
    "AsyncSessionScope",
    "SessionScope",
    "bind_async_session_to_tenant",
    "bind_session_to_tenant",
]

Tenant: TypeAlias = TenantContext | TenantId
TenantSource: TypeAlias = Callable[[], Tenant | None]
AsyncTenantSource: TypeAlias = Callable[[], Tenant | Awaitable[Tenant | None] | None]


class _OneTenant:
    """The common part of the two scopes: each binds one tenant, once at a time."""

    def __init__(
        self,
        tenant: Tenant | None,
        resolve_tenant: Callable[[], Any] | None,
        directory: TenantDirectory | Lookup | None,
    ) -> None:
        if tenant is not None and resolve_tenant is not None:
            raise ValueError("give a tenant or resolve_tenant=, not both")
        self._tenant = None if tenant is None else as_tenant_context(tenant)
        self._resolve = resolve_tenant
        self._directory = as_directory(directory)
        self._binding: Binding | None = None

    def _find(self, tenant: Any, *, blocking: bool) -> Any:
        """Return the tenant as the directory has it, or an awaitable of that if not blocking."""
        context = None if tenant is None else as_tenant_context(tenant)
        if context is None or self._directory is None:
            return context
        return self._directory.find(context.tenant_id, blocking=blocking)

    def _enter(self, tenant: TenantContext | None, caller: FrameType) -> TenantContext | None:
        if self._binding is not None:
            raise ConfigurationError(
                "this scope is already entered; make a new one for each 'with' block"
            )
        if may_be_suspended(caller.f_code):
            check_generators(caller)
        self._binding = bind(tenant)
        return tenant

    def _leave(self, error: BaseException | None) -> None:
        if self._binding is not None:
            binding, self._binding = self._binding, None
            leave(binding, error)


class SessionScope(_OneTenant):
    """Bind a tenant for the sessions used in a ``with`` block.

    ::

        with SessionScope("acme"), Session(engine) as session:
            session.scalars(select(Invoice))

    Without a tenant and a resolver, or if the resolver returns ``None``, the block runs
    unbound, whatever is bound outside: shared tables work, tenant-aware ones raise.

    Args:
        tenant: an identifier or a :class:`~tenantshield_mw.TenantContext`.
        resolve_tenant: called without arguments when the scope is entered; returns a
            tenant or ``None``.
        directory: a :class:`~tenantshield_mw.TenantDirectory` or a sync lookup, asked for the
            tenant when the scope is entered, as a middleware does, so that a job for a tenant
            that is unknown or suspended by then is refused. Pass the same directory each time:
            it caches its answers.

    Raises:
        ValueError: both a tenant and a resolver were given.
        TenantResolutionError: ``tenant``, or the resolver's result, is no valid tenant.
        TenantNotFoundError: the directory does not have it.
        TenantSuspendedError: it is suspended.
        ConfigurationError: the resolver, or the directory's lookup, returned an awaitable.
    """

    def __init__(
        self,
        tenant: Tenant | None = None,
        *,
        resolve_tenant: TenantSource | None = None,
        directory: TenantDirectory | Lookup | None = None,
    ) -> None:
        super().__init__(tenant, resolve_tenant, directory)

    def __enter__(self) -> TenantContext | None:
        tenant: Tenant | None = self._tenant
        if self._resolve is not None:
            resolved: object = self._resolve()
            if inspect.isawaitable(resolved):
                if inspect.iscoroutine(resolved):
                    resolved.close()
                raise ConfigurationError(
                    "resolve_tenant returned an awaitable, and SessionScope is sync: use "
                    "AsyncSessionScope, or a sync resolver"
                )
            tenant = resolved  # type: ignore[assignment]
        return self._enter(self._find(tenant, blocking=True), sys._getframe(1))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave(error)


class AsyncSessionScope(_OneTenant):
    """Bind a tenant for the async sessions used in an ``async with`` block.

    Without a tenant and a resolver, or if the resolver returns ``None``, the block runs
    unbound, whatever is bound outside: shared tables work, tenant-aware ones raise.

    Args:
        tenant: an identifier or a :class:`~tenantshield_mw.TenantContext`.
        resolve_tenant: called without arguments when the scope is entered; returns a
            tenant, ``None``, or an awaitable of either.
        directory: a :class:`~tenantshield_mw.TenantDirectory` or a lookup, sync or async, asked
            for the tenant when the scope is entered; see :class:`SessionScope`.

    Raises:
        ValueError: both a tenant and a resolver were given.
        TenantResolutionError: ``tenant``, or the resolver's result, is no valid tenant.
        TenantNotFoundError: the directory does not have it.
        TenantSuspendedError: it is suspended.
    """

    def __init__(
        self,
        tenant: Tenant | None = None,
        *,
        resolve_tenant: AsyncTenantSource | None = None,
        directory: TenantDirectory | Lookup | None = None,
    ) -> None:
        super().__init__(tenant, resolve_tenant, directory)

    async def __aenter__(self) -> TenantContext | None:
        tenant: Tenant | None = self._tenant
        if self._resolve is not None:
            resolved = self._resolve()
            tenant = await resolved if inspect.isawaitable(resolved) else resolved
        found = self._find(tenant, blocking=False)
        if inspect.isawaitable(found):
            found = await found
        return self._enter(found, sys._getframe(1))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave(error)


def bind_session_to_tenant(tenant: Tenant, /) -> SessionScope:
    """Return a :class:`SessionScope` that is never unbound.

    Args:
        tenant: an identifier or a :class:`~tenantshield_mw.TenantContext`.

    Raises:
        TenantResolutionError: ``tenant`` is ``None``, empty or otherwise invalid.
    """
    return SessionScope(as_tenant_context(tenant))


def bind_async_session_to_tenant(tenant: Tenant, /) -> AsyncSessionScope:
    """Return an :class:`AsyncSessionScope` that is never unbound.

    Args:
        tenant: an identifier or a :class:`~tenantshield_mw.TenantContext`.

    Raises:
        TenantResolutionError: ``tenant`` is ``None``, empty or otherwise invalid.
    """
    return AsyncSessionScope(as_tenant_context(tenant))
