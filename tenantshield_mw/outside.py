"""Keeping an ASGI server's own code outside of the tenant that its application runs under.

What a server does inside of ``receive()`` and ``send()`` runs in the application's context.
Where it registers a callback or starts a task there, that keeps a copy of the context: with
uvicorn the next request on the same connection may begin in it
(https://github.com/python/cpython/issues/140947). So nothing of the application's bindings
may be in it then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from .context import Binding, _binding
from .vary import adding_vary

__all__ = ["Outside", "outside"]

Outside: TypeAlias = "Callable[[Any, Any, Binding | None], tuple[Any, Any]]"
"""Takes a server's ``receive`` and ``send`` and what was bound when it called the middleware;
returns what the application gets in place of the two."""

_set: Final = _binding.set
_reset: Final = _binding.reset


def outside(vary: tuple[str, ...] = ()) -> Outside:
    """Return what makes ``receive`` and ``send`` run under what the server had bound.

    Args:
        vary: the header names that each response is to have in its ``Vary``. It is done here
            so that a message passes through one coroutine, not through two.
    """
    add_vary = adding_vary(vary) if vary else None

    def wrapped(receive: Any, send: Any, outer: Binding | None) -> tuple[Any, Any]:
        # Both have to be coroutines, since what they call may run at any time until it ends.
        # One that is closed from another context leaves that as it is: nothing was set there.
        async def receive_outside() -> Any:
            token = _set(outer)
            try:
                return await receive()
            finally:
                try:  # noqa: SIM105 - suppress() costs more than all the rest
                    _reset(token)
                except ValueError:
                    pass

        async def send_outside(message: Any) -> Any:
            if add_vary is not None and message["type"] == "http.response.start":
                message = add_vary(message)
            token = _set(outer)
            try:
                return await send(message)
            finally:
                try:  # noqa: SIM105
                    _reset(token)
                except ValueError:
                    pass

        return receive_outside, send_outside

    return wrapped
