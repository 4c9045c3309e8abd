"""The examples on the usual servers, each in separate processes."""

from __future__ import annotations

import socket
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from tests.commands import serving

__all__ = ["SERVED", "started"]

_DEADLINE: Final = 60.0
"""How long a server may take until it answers, in seconds."""

# Servers keep idle connections for longer than httpx (5 seconds, which is also the default of
# uvicorn and hypercorn). Otherwise both may give one up, and use it once more, at the same moment.
_UVICORN: Final = "uvicorn --host 127.0.0.1 --port {port} --timeout-keep-alive 600 --factory"
_HYPERCORN: Final = "hypercorn --bind 127.0.0.1:{port} --keep-alive 600"

_OVER_ASGI: Final[Mapping[str, str]] = {
    "uvicorn": f"{_UVICORN} {{app}}",
    "hypercorn": f"{_HYPERCORN} {{app}}()",
    "granian": "granian --interface asgi --port {port} --factory {app}",
}

_OVER_WSGI: Final[Mapping[str, str]] = {
    "werkzeug": "flask --app examples.flask.app run --port {port}",
    "gunicorn": "gunicorn --bind 127.0.0.1:{port} --keep-alive 600 --workers 2 --threads 4 {app}()",
    "waitress": "waitress --listen 127.0.0.1:{port} --call {app}",
    "granian": "granian --interface wsgi --port {port} --blocking-threads 4 --factory {app}",
    # Otherwise a request may inherit the context of the one before it on the same connection, and
    # Flask would take the application context of that one, with its session, for its own.
    "a2wsgi": f"{_UVICORN} tests.servers.flask_over_asgi:by_a2wsgi --reset-contextvars",
    # Not on uvicorn, where a request inherits the context of the one before it on the same
    # connection, which asgiref cannot do with (https://github.com/django/asgiref/issues/491).
    "asgiref": f"{_HYPERCORN} tests.servers.flask_over_asgi:by_asgiref()",
}

SERVED: Final[Mapping[tuple[str, str], str]] = {
    **{
        (example, server): command
        for example in ("starlette", "litestar", "fastapi")
        for server, command in _OVER_ASGI.items()
    },
    **{("flask", server): command for server, command in _OVER_WSGI.items()},
}
"""The command for each example and each server that it runs on."""


@contextmanager
def started(example: str, server: str, database: Path) -> Generator[str]:
    """Serve an example, and yield its address once it responds.

    Args:
        example: the first half of a key of :data:`SERVED`.
        server: the second half.
        database: the SQLite file; beside it the server may put files of its own.

    Raises:
        TimeoutError: it does not answer in time.
    """
    environ = {
        "INVOICES_DATABASE": str(database),
        # The folder for gunicorn's control socket.
        "HOME": str(database.parent),
        "XDG_RUNTIME_DIR": str(database.parent),
    }
    with socket.socket() as reserved:
        port = 0
        if server == "granian":
            # It has to be told a port. One that it may share is nobody else's meanwhile:
            # whoever is bound without listening gets no connections.
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            reserved.bind(("127.0.0.1", 0))
            port = reserved.getsockname()[1]
        app = f"examples.{example}.app:create_app"
        command = SERVED[example, server].format(port=port, app=app)
        with serving(*command.split(), environ=environ) as address:
            _wait_until_it_answers(address)
            yield address


def _wait_until_it_answers(address: str) -> None:
    until = time.monotonic() + _DEADLINE
    with httpx.Client(base_url=address, timeout=_DEADLINE, trust_env=False) as client:
        while True:
            try:
                assert client.get("/attempts").status_code == 200
            except httpx.TransportError:
                if time.monotonic() > until:
                    raise TimeoutError(f"{address} does not answer") from None
            else:
                return
