"""Run an ASGI server's own code without the application's tenant.

The code in a server's ``receive()`` and ``send()`` runs in the application's context. A
callback or task that it creates there keeps a copy of that context, and with uvicorn the next
request on the same connection may start in it
(https://github.com/python/cpython/issues/140947). So the application's binding must not be
there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from .context import Binding, binding_var
from .vary import adding_vary

__all__ = ["ChannelWrapper", "channel_wrapper"]

ChannelWrapper: TypeAlias = "Callable[[Any, Any, Binding | None], tuple[Any, Any]]"
"""Takes the server's ``receive`` and ``send``, and its binding; returns the two for the
application."""

_set: Final = binding_var.set
_reset: Final = binding_var.reset


def channel_wrapper(vary: tuple[str, ...] = ()) -> ChannelWrapper:
    """Return a function that wraps ``receive`` and ``send`` to run under the server's binding.

    Args:
        vary: the header names to add to each response's ``Vary``. This is done here so that
            a message passes through one coroutine, not two.
    """
    add_vary = adding_vary(vary) if vary else None

    def wrap(receive: Any, send: Any, outer: Binding | None) -> tuple[Any, Any]:
        # Both are coroutines, to stay in effect until the call ends. If one is closed from
        # another context, nothing was set there.
        async def receive_outside() -> Any:
            token = _set(outer)
            try:
                return await receive()
            finally:
                try:  # noqa: SIM105 - suppress() costs more than everything else here
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

    return wrap
