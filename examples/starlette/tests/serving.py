"""Starts the example's server for the tests, in a separate process.

A process, because what its models declare would hold for the whole process of the tests.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "serving"]

ROOT: Final = Path(__file__).parents[3]


@contextmanager
def serving(database: Path) -> Generator[str]:
    """Yield the address of a server on ``database``.

    On the way out the server is told to stop, and must have had nothing to say.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        descriptor = listening.fileno()
        server = subprocess.Popen(
            [
                *(sys.executable, "-W", "error", "-m", "examples.starlette.tests.served"),
                *(str(descriptor), str(database)),
            ],
            cwd=ROOT,
            pass_fds=[descriptor],
            stderr=subprocess.PIPE,
            text=True,
        )
    # From here on the socket is the server's alone. It listens, so that a client may
    # connect at once, and a server that does not come up takes it along.
    try:
        yield address
    finally:
        server.terminate()
        _, said = server.communicate()
    assert said == "", said
