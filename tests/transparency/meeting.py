"""Events for which the application and the client of a test wait for each other."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import queue
import threading
from pathlib import Path

__all__ = ["FILE", "AsyncMeeting", "Meeting", "digest"]

# A file that is there in every process, larger than what servers send at once.
FILE = Path(argparse.__file__)


def digest(*parts: bytes) -> bytes:
    """Return a digest of a body."""
    data = b"".join(parts)
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}".encode()


class AsyncMeeting:
    """For an ASGI application."""

    def __init__(self) -> None:
        self.released = asyncio.Semaphore(0)
        self.entered = asyncio.Semaphore(0)
        self.noted: asyncio.Queue[str] = asyncio.Queue()


class Meeting:
    """For a WSGI application, whose requests run in threads."""

    def __init__(self) -> None:
        self.released = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.noted: queue.Queue[str] = queue.Queue()
