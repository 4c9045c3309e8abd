"""From a request to the tenant that it may run under, where more than a resolver decides.

All that decides is put in the resolver's place, so that a middleware without a directory,
without ``authorize`` and without a time limit does nothing more for each request.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import queue
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Final, TypeAlias

from .directory import Lookup, TenantDirectory
from .dispatch import Resolver, SyncResolver, callable_directly, is_awaitable, tenant_of
from .errors import ConfigurationError, TenantNotAuthorizedError
from .expiring import OverdueError, waits_until
from .mount import Mount, Mounted, mount_of
from .tenant import TenantContext

__all__ = ["CANNOT_AWAIT", "TWICE_AWAITABLE", "Authorize", "admission", "blocking_admission"]

Authorize: TypeAlias = Callable[[Any, TenantContext], bool | Awaitable[bool]]
"""Says whether whoever sent the request may act for the tenant; takes the raw ASGI scope
or the raw WSGI environ, and the tenant."""

Outcome: TypeAlias = Callable[[], TenantContext | Mounted | None]
"""Returns what was found, or raises what was raised."""

TWICE_AWAITABLE: Final = (
    "awaiting what the resolver returned gave another awaitable; await that inside the resolver"
)
CANNOT_AWAIT: Final = (
    "the resolver returned an awaitable, and a WSGI app cannot await; give "
    "TenantSessionMiddlewareWSGI a sync resolver, or use TenantSessionMiddleware"
)

_logger: Final = logging.getLogger("tenantshield_mw")

_MAX_WAITING: Final = 64
"""How many threads of one middleware may be waiting for resolvers that do not answer."""


def admission(
    resolver: Resolver,
    directory: TenantDirectory | Lookup | None,
    authorize: Authorize | None,
    timeout: float | None,
) -> Callable[[Any], Any]:
    """Return what says under which tenant an ASGI request runs, in the form that costs least.

    Raises:
        ConfigurationError: an argument is not one of those that the middlewares take.
    """
    resolve = callable_directly(resolver)
    found, mount = _checked(resolver, directory, authorize, timeout)
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
        if authorize is not None:
            allowed = authorize(scope, tenant)
            _judge(allowed if isinstance(allowed, bool) else await _awaitable(allowed))
        return _mounted(mount, scope, named, tenant)

    if timeout is None:
        return admit

    async def admit_in_time(scope: Any) -> TenantContext | Mounted | None:
        # For what waits in a thread, which the cancellation does not reach.
        token = waits_until.set(time.monotonic() + timeout)
        try:
            async with asyncio.timeout(timeout):
                return await admit(scope)
        finally:
            # Not there to be taken back where this is closed from another context.
            with suppress(ValueError):
                waits_until.reset(token)

    return admit_in_time


def blocking_admission(
    resolver: SyncResolver,
    directory: TenantDirectory | Lookup | None,
    authorize: Authorize | None,
    timeout: float | None,
) -> Callable[[Any], Any]:
    """Return the same for WSGI."""
    resolve = callable_directly(resolver)
    found, mount = _checked(resolver, directory, authorize, timeout)
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
        if authorize is not None:
            _judge(authorize(environ, tenant))
        return _mounted(mount, environ, named, tenant)

    return admit if timeout is None else _in_time(admit, timeout)


def _checked(
    resolver: object,
    directory: TenantDirectory | Lookup | None,
    authorize: Authorize | None,
    timeout: float | None,
) -> tuple[TenantDirectory | None, Mount | None]:
    if authorize is not None and not callable(authorize):
        raise ConfigurationError(
            "authorize must be a callable that takes the ASGI scope or the WSGI environ and "
            "the tenant, and returns True or False"
        )
    if timeout is not None and not (
        isinstance(timeout, int | float)
        and not isinstance(timeout, bool)
        and 0 < timeout < math.inf
    ):
        raise ConfigurationError("timeout must be a number of seconds above 0, or None")
    if directory is not None and not isinstance(directory, TenantDirectory):
        directory = TenantDirectory(directory)
    return directory, mount_of(resolver)


def _mounted(
    mount: Mount | None, request: Any, named: TenantContext, tenant: TenantContext
) -> TenantContext | Mounted:
    prefix = "" if mount is None else mount(request, named)
    return Mounted(tenant, prefix) if prefix else tenant


def _awaitable(allowed: object) -> Awaitable[object]:
    if is_awaitable(allowed):
        return allowed
    raise _not_a_bool(allowed)


def _judge(allowed: object) -> None:
    if allowed is True:
        return
    if allowed is False:
        raise TenantNotAuthorizedError("authorize returned False")
    if inspect.iscoroutine(allowed):
        allowed.close()
    raise _not_a_bool(allowed)


def _not_a_bool(allowed: object) -> ConfigurationError:
    return ConfigurationError(
        f"authorize returned a {type(allowed).__name__}; it must return True or False, and "
        "under ASGI alone an awaitable of one of them"
    )


def _in_time(
    admit: Callable[[Any], TenantContext | Mounted | None], timeout: float
) -> Callable[[Any], TenantContext | Mounted | None]:
    """Return ``admit`` so that it raises ``TimeoutError`` after ``timeout`` seconds.

    A call cannot be interrupted: it goes on in its thread, and the number of these threads
    is bounded.
    """
    free = threading.BoundedSemaphore(_MAX_WAITING)

    def admit_in_time(environ: Any) -> TenantContext | Mounted | None:
        until = time.monotonic() + timeout
        if not free.acquire(timeout=timeout):
            raise TimeoutError(f"{_MAX_WAITING} threads wait for a resolver that does not answer")
        outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        # Whoever takes it first, the one who waits no longer or the one who comes with the
        # outcome, decides whether that was in time.
        decision = threading.Lock()
        # What the resolver binds for itself does not reach the app.
        context = copy_context()
        context.run(waits_until.set, until)

        def work() -> None:
            try:
                answer = context.run(admit, environ)
            except OverdueError:
                # The request was refused at the same moment, and there is no more to tell.
                pass
            except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
                deliver(_raising(error))
            else:
                deliver(lambda: answer)
            finally:
                free.release()

        def deliver(outcome: Outcome) -> None:
            if decision.acquire(blocking=False):
                outcomes.put(outcome)
            else:
                _log_late(outcome)

        # A daemon, so that a resolver that never answers does not keep a server from ending.
        try:
            threading.Thread(target=work, name="tenantshield_mw resolver", daemon=True).start()
        except RuntimeError:
            free.release()
            raise
        try:
            outcome = outcomes.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            if decision.acquire(blocking=False):
                raise TimeoutError(f"no answer within {timeout} seconds") from None
            outcome = outcomes.get()
        return outcome()

    return admit_in_time


def _raising(error: BaseException) -> Outcome:
    def outcome() -> TenantContext | Mounted | None:
        raise error

    return outcome


def _log_late(outcome: Outcome) -> None:
    try:
        outcome()
    except BaseException as error:
        _logger.warning("finding the tenant failed after its request was refused", exc_info=error)
    else:
        _logger.info("the tenant was found after its request was refused")
