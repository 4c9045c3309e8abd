"""How a connection comes to render and send its statements under the guard."""

from __future__ import annotations

__all__: list[str] = []
