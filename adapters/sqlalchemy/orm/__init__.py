"""One tenant per session, and what a session's own memory may answer."""

from __future__ import annotations

__all__: list[str] = []
