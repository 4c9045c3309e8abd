"""A forked process that does something and says what came of it."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import pytest

__all__ = ["held_by_a_thread", "in_child", "needs_fork"]

needs_fork: Final = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

_SECONDS: Final = 20
"""How long a child may take; one that waits for a thread of its parent would never end."""


def in_child(function: Callable[[], Any]) -> str:
    """Return the ``repr()`` of what ``function`` returns or raises in a forked process.

    The child does nothing else, not even what Python does when a process ends.
    """
    reads, writes = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of the very threads that are tested here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_SECONDS)
        try:
            answer = repr(function())
        except BaseException as error:
            answer = repr(error)
        os.write(writes, answer.encode())
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as file:
        answer = file.read()
    _, status = os.waitpid(child, 0)
    assert status != signal.SIGALRM, "the child waits for what never ends there"
    assert status == 0
    return answer


@contextmanager
def held_by_a_thread(lock: Any) -> Generator[None]:
    """Let another thread hold ``lock`` in the block."""
    holding, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            holding.set()
            go_on.wait(60)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert holding.wait(60)
    try:
        yield
    finally:
        go_on.set()
        thread.join(60)
