"""Combine resolver, directory, authorization and time limit into one call.

The call takes the resolver's place, so a middleware without a directory, ``authorize`` and
a time limit does no additional work per request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from .deadline import check_timeout, limited, limited_in_thread
from .directory import Lookup, TenantDirectory, as_directory
from .errors import ConfigurationError, TenantNotAuthorizedError
from .mount import Mount, Mounted, mount_of
from .resolution import (
    CANNOT_AWAIT,
    TWICE_AWAITABLE,
    Resolver,
    SyncResolver,
    callable_directly,
    close_unawaited,
    is_awaitable,
    tenant_of,
)
from .tenant import TenantContext, with_claims

__all__ = ["Authorize", "admission", "blocking_admission", "is_bound_later"]

Authorize: TypeAlias = Callable[[Any, TenantContext], bool | Awaitable[bool]]
"""Takes the raw ASGI scope or WSGI environ and the tenant; returns whether the caller may act
for the tenant."""


def is_bound_later(resolver: object, *others: object) -> bool:
    """Return whether the application binds the tenant itself, as
    :func:`~tenantshield_mw.resolvers.bound_later` says.

    Args:
        resolver: the resolver.
        *others: ``directory`` and ``authorize``, which need a tenant before the app runs.

    Raises:
        ConfigurationError: one of ``others`` was given with it.
    """
    if getattr(resolver, "binds_later", False) is not True:
        return False
    if any(each is not None for each in others):
        raise ConfigurationError(
            "directory= and authorize= are asked before the app runs, when bound_later() has no "
            "tenant yet: ask them where the app binds it, and leave the arguments out"
        )
    return True


def admission(
    resolver: Resolver,
    directory: TenantDirectory | Lookup | None,
    authorize: Authorize | None,
    timeout: float | None,
) -> Callable[[Any], Any]:
    """Return the function that finds the tenant of an ASGI request, in its cheapest form.

    Raises:
        ConfigurationError: an argument is invalid.
    """
    resolve = callable_directly(resolver)
    found, mount = _prepare(resolver, directory, authorize, timeout)
    if found is None and authorize is None and timeout is None and mount is None:
        return resolve

    async def admit(scope: Any) -> TenantContext | Mounted | None:
        answer: object = resolve(scope)
        if is_awaitable(answer):
            answer = await answer
        named = tenant = tenant_of(answer, if_awaitable=TWICE_AWAITABLE)
        if named is None or tenant is None:
            return None
        if found is not None:
            listed = found.find(named.tenant_id, blocking=False)
            tenant = listed if isinstance(listed, TenantContext) else await listed
            tenant = with_claims(tenant, named.claims)
        if authorize is not None:
            allowed: object = authorize(scope, tenant)
            _check_allowed(await allowed if is_awaitable(allowed) else allowed)
        return _mounted(mount, scope, named, tenant)

    return admit if timeout is None else limited(admit, timeout)


def blocking_admission(
    resolver: SyncResolver,
    directory: TenantDirectory | Lookup | None,
    authorize: Authorize | None,
    timeout: float | None,
) -> Callable[[Any], Any]:
    """Return the function that finds the tenant of a WSGI request, in its cheapest form.

    Raises:
        ConfigurationError: an argument is invalid.
    """
    resolve = callable_directly(resolver)
    found, mount = _prepare(resolver, directory, authorize, timeout)
    if found is None and authorize is None and timeout is None and mount is None:
        return resolve

    def admit(environ: Any) -> TenantContext | Mounted | None:
        named = tenant = tenant_of(resolve(environ), if_awaitable=CANNOT_AWAIT)
        if named is None or tenant is None:
            return None
        if found is not None:
            listed = found.find(named.tenant_id, blocking=True)
            tenant = tenant_of(listed, if_awaitable=CANNOT_AWAIT)
            assert tenant is not None
            tenant = with_claims(tenant, named.claims)
        if authorize is not None:
            _check_allowed(authorize(environ, tenant))
        return _mounted(mount, environ, named, tenant)

    return admit if timeout is None else limited_in_thread(admit, timeout)


def _prepare(
    resolver: object,
    directory: TenantDirectory | Lookup | None,
    authorize: Authorize | None,
    timeout: float | None,
) -> tuple[TenantDirectory | None, Mount | None]:
    """Check the arguments; return the directory and the resolver's mount."""
    if authorize is not None and not callable(authorize):
        raise ConfigurationError(
            "authorize must be a callable that takes the ASGI scope or the WSGI environ and "
            "the tenant, and returns True or False"
        )
    check_timeout(timeout)
    return as_directory(directory), mount_of(resolver)


def _mounted(
    mount: Mount | None, request: Any, named: TenantContext, tenant: TenantContext
) -> TenantContext | Mounted:
    prefix = "" if mount is None else mount(request, named)
    return Mounted(tenant, prefix) if prefix else tenant


def _check_allowed(allowed: object) -> None:
    if allowed is True:
        return
    if allowed is False:
        raise TenantNotAuthorizedError("authorize returned False")
    close_unawaited(allowed)
    raise ConfigurationError(
        f"authorize returned a {type(allowed).__name__}; it must return True or False, or "
        "under ASGI an awaitable of one of them"
    )
