"""Starts a command that serves, in a separate process, and finds its address."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "STRICT", "serving"]

ROOT: Final = Path(__file__).parents[1]

STRICT: Final = (
    *("-W", "error"),
    *("-W", "ignore:The declarative_mixin decorator"),
    *("-W", "ignore:Call to deprecated function 'set_async_context'"),
)
"""Warnings are errors, but for what Advanced Alchemy, which Litestar imports where it is
installed, does on SQLAlchemy 2.1, and for what its 1.10 calls of its own."""

_ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:\d+")


@contextmanager
def serving(*arguments: str, environ: Mapping[str, str]) -> Generator[str]:
    """Yield the address that ``python -m`` with ``arguments`` says it serves on.

    What it says in the meantime is printed, for a test that fails.

    Args:
        *arguments: a module and its arguments.
        environ: what to add to the environment.
    """
    server = subprocess.Popen(
        [sys.executable, *STRICT, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout is not None
    said: list[str] = []
    with server.stdout:
        for line in server.stdout:
            said.append(line)
            if found := _ADDRESS.search(line):
                break
        else:
            server.wait()
            raise AssertionError("".join(said))
        # Read the output from here on, so that the server never blocks on a full pipe.
        reading = threading.Thread(target=said.extend, args=(server.stdout,))
        reading.start()
        try:
            yield found[0]
        finally:
            has_ended = server.poll()
            server.terminate()
            server.wait()
            reading.join()
            print("".join(said))
        assert has_ended is None, f"the server ended with {has_ended}: {''.join(said)}"
