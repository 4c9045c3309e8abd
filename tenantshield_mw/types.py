"""Types of ASGI that the standard library does not name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

__all__ = ["ASGIApp", "Receive", "Send"]

Receive: TypeAlias = Callable[[], Awaitable[Any]]
"""Returns the next message from the server."""

Send: TypeAlias = Callable[[Any], Awaitable[None]]
"""Sends a message to the server."""

ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI 3 application, whichever library's types annotate it."""
