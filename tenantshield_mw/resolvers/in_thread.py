"""A resolver that blocks, off the event loop."""

from __future__ import annotations

from typing import Any, final

from asgiref.sync import sync_to_async

from tenantshield_mw.dispatch import SyncResolver, callable_directly
from tenantshield_mw.errors import ConfigurationError
from tenantshield_mw.mount import mount_of
from tenantshield_mw.request import over_asgi
from tenantshield_mw.vary import declared_by

__all__ = ["InThread", "in_thread"]


@final
class InThread:
    """What :func:`in_thread` returns."""

    __slots__ = ("_in_thread", "_resolve", "mount", "varies_on")

    def __init__(self, resolver: SyncResolver) -> None:
        resolve: Any = callable_directly(resolver)
        self._resolve = resolve
        try:
            self._in_thread = sync_to_async(resolve, thread_sensitive=False)
        except TypeError:
            raise ConfigurationError(
                "in_thread() takes a sync resolver; an async one does not block"
            ) from None
        self.varies_on = declared_by(resolver)
        self.mount = mount_of(resolver)

    def __call__(self, request: Any) -> Any:
        """Return what to await for the answer; under WSGI, the answer."""
        return self._in_thread(request) if over_asgi(request) else self._resolve(request)


def in_thread(resolver: SyncResolver) -> InThread:
    """Return ``resolver`` so that it runs in a thread under ASGI.

    For one that asks a database or another service with a library that blocks. Under
    WSGI, where each request has a thread already, it is called as it is.

    Args:
        resolver: a sync resolver that may be called from several threads at a time.

    Raises:
        ConfigurationError: ``resolver`` is not callable, or is a coroutine function.
    """
    return InThread(resolver)
