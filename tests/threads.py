"""A plain thread, which carries nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

__all__ = ["in_thread"]


def in_thread(function: Callable[[], Any]) -> Any:
    """Return what ``function`` returns in a new thread, or raise what it raises there.

    Raises:
        TimeoutError: it does not end, such as one that waits for a lock forever.
    """
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(function())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(30)
    if not outcome:
        raise TimeoutError("the thread does not end")
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]
