"""How far a command has come, on a terminal."""

from __future__ import annotations

import sys
import time
from typing import Final, TextIO

__all__ = ["Progress"]

_EVERY: Final = 0.1
"""Seconds between two lines."""


class Progress:
    """Rewrites one line of the terminal; writes nothing to anything else.

    Args:
        stream: standard error if left out.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._is_shown = self._stream.isatty()
        self._at = 0.0
        self._width = 0

    def show(self, what: str, done: int, of: int | None = None) -> None:
        """Show that ``done`` rows of ``what`` are done, of ``of`` in all if that is known."""
        if not self._is_shown or time.monotonic() - self._at < _EVERY:
            return
        self._at = time.monotonic()
        self._write(f"{what}: {done:,}" if of is None else f"{what}: {done:,} of {of:,}")

    def clear(self) -> None:
        """Take the line away."""
        if self._is_shown and self._width:
            self._write("")
            self._stream.write("\r")
            self._stream.flush()

    def _write(self, line: str) -> None:
        self._stream.write(f"\r{line.ljust(self._width)}")
        self._stream.flush()
        self._width = len(line)
