"""Scopes for code outside a request: commands, jobs, scripts.

The sync and the async surface are parallel. Both bind the same ``ContextVar`` and work
with every session, however it was made.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, TypeAlias

from tenantshield_mw.context import Binding, as_tenant_context, bind, unbind
from tenantshield_mw.errors import ConfigurationError
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

_BOTH: Final = "give a tenant or resolve_tenant=, not both"


class _OneTenant:
    """The common part of the two scopes: each binds one tenant, once at a time."""

    def __init__(self, tenant: Tenant | None) -> None:
        self._tenant = None if tenant is None else as_tenant_context(tenant)
        self._binding: Binding | None = None

    def _enter(self, tenant: Any) -> TenantContext | None:
        if self._binding is not None:
            raise ConfigurationError(
                "this scope is already entered; make a new one for each 'with' block"
            )
        context = None if tenant is None else as_tenant_context(tenant)
        self._binding = bind(context)
        return context

    def _leave(self) -> None:
        if self._binding is not None:
            unbind(self._binding)
            self._binding = None


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

    Raises:
        ValueError: both were given.
        TenantResolutionError: ``tenant``, or the resolver's result, is no valid tenant.
        ConfigurationError: the resolver returned an awaitable.
    """

    def __init__(
        self, tenant: Tenant | None = None, *, resolve_tenant: TenantSource | None = None
    ) -> None:
        if tenant is not None and resolve_tenant is not None:
            raise ValueError(_BOTH)
        super().__init__(tenant)
        self._resolve = resolve_tenant

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
            return self._enter(resolved)
        return self._enter(tenant)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()


class AsyncSessionScope(_OneTenant):
    """Bind a tenant for the async sessions used in an ``async with`` block.

    Without a tenant and a resolver, or if the resolver returns ``None``, the block runs
    unbound, whatever is bound outside: shared tables work, tenant-aware ones raise.

    Args:
        tenant: an identifier or a :class:`~tenantshield_mw.TenantContext`.
        resolve_tenant: called without arguments when the scope is entered; returns a
            tenant, ``None``, or an awaitable of either.

    Raises:
        ValueError: both were given.
        TenantResolutionError: ``tenant``, or the resolver's result, is no valid tenant.
    """

    def __init__(
        self, tenant: Tenant | None = None, *, resolve_tenant: AsyncTenantSource | None = None
    ) -> None:
        if tenant is not None and resolve_tenant is not None:
            raise ValueError(_BOTH)
        super().__init__(tenant)
        self._resolve = resolve_tenant

    async def __aenter__(self) -> TenantContext | None:
        tenant: Tenant | None = self._tenant
        if self._resolve is not None:
            resolved = self._resolve()
            tenant = await resolved if inspect.isawaitable(resolved) else resolved
        return self._enter(tenant)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()


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
