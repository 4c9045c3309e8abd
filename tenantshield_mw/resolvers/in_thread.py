"""Run a blocking resolver in a thread."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import Any, Final, final

from asgiref.sync import sync_to_async

from tenantshield_mw.errors import ConfigurationError
from tenantshield_mw.mount import mount_of
from tenantshield_mw.request import over_asgi
from tenantshield_mw.resolution import SyncResolver, callable_directly
from tenantshield_mw.vary import declared_by

__all__ = ["InThread", "in_thread"]


_logger: Final = logging.getLogger("tenantshield_mw")


@final
class InThread:
    """What :func:`in_thread` returns."""

    __slots__ = ("_in_thread", "_resolve", "mount", "varies_on")

    def __init__(self, resolver: SyncResolver) -> None:
        self._resolve: Any = callable_directly(resolver)
        if inspect.iscoroutinefunction(self._resolve):
            raise ConfigurationError(
                "in_thread() takes a sync resolver; an async one does not need it"
            )
        self._in_thread = sync_to_async(self._work, thread_sensitive=False)
        self.varies_on = declared_by(resolver)
        self.mount = mount_of(resolver)

    def __call__(self, request: Any) -> Any:
        """Return an awaitable of the answer; under WSGI, the answer."""
        return self._later(request) if over_asgi(request) else self._resolve(request)

    async def _later(self, request: Any) -> Any:
        cancelled: list[bool] = []
        try:
            return await self._in_thread(request, cancelled)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    def _work(self, request: Any, cancelled: list[bool]) -> Any:
        try:
            return self._resolve(request)
        except BaseException as error:
            if cancelled:
                # The error reaches no caller any more.
                _logger.warning("a resolver failed after its request had ended", exc_info=error)
            raise


def in_thread(resolver: SyncResolver) -> InThread:
    """Return ``resolver`` wrapped to run in a thread under ASGI.

    For a resolver that calls a database or another service through a blocking library. Under
    WSGI each request already has a thread, so the resolver is called directly.

    Args:
        resolver: a sync resolver that several threads may call at the same time.

    Raises:
        ConfigurationError: ``resolver`` is not callable, or is a coroutine function.
    """
    return InThread(resolver)
