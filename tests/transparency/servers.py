"""Real servers, each started on first use and stopped at the end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import uvicorn
import waitress.server

from tests.adapters.serving import under_werkzeug
from tests.transparency.wire import Address

__all__ = ["Servers"]

ROOT = Path(__file__).parents[2]


def _listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=64)


class Servers:
    """All servers of a run. What is ASGI runs in one event loop, in a thread of its own."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        self._stack.callback(self._loop.close)
        self._stack.callback(thread.join)
        self._stack.callback(self._loop.call_soon_threadsafe, self._loop.stop)

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
        self._stack.close()

    def _keep(self, serving: Coroutine[Any, Any, Any], stop: Callable[[], object]) -> None:
        """Run a server in the event loop until the end."""
        future = asyncio.run_coroutine_threadsafe(serving, self._loop)
        self._stack.callback(future.result, 60)
        self._stack.callback(self._loop.call_soon_threadsafe, stop)

    def uvicorn(self, app: Any, ws: str = "websockets-sansio") -> Address:
        listening = _listening()
        self._stack.callback(listening.close)
        config = uvicorn.Config(
            app,
            ws=ws,
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        self._keep(
            server.serve(sockets=[listening]), functools.partial(setattr, server, "should_exit", 1)
        )
        return _address(listening)

    def uvicorn_wsproto(self, app: Any) -> Address:
        return self.uvicorn(app, "wsproto")

    def hypercorn(self, app: Any) -> Address:
        listening = _listening()
        address = _address(listening)
        config = hypercorn.config.Config()
        config.bind = [f"fd://{listening.detach()}"]
        config.graceful_timeout = 1
        config.loglevel = "CRITICAL"
        stop = asyncio.Event()
        serving = hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait, mode="asgi")
        self._keep(serving, stop.set)
        return address

    def granian(self, app: Any) -> Address:
        from granian.constants import Interfaces
        from granian.server.embed import Server

        # It cannot tell a port that the system chose, nor take a socket over: this one
        # keeps the port for it, and does not listen.
        holding = socket.socket()
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holding.bind(("127.0.0.1", 0))
        self._stack.callback(holding.close)
        address = _address(holding)

        async def make() -> Server:
            return Server(app, port=address[1], interface=Interfaces.ASGI, log_enabled=False)

        server = asyncio.run_coroutine_threadsafe(make(), self._loop).result(60)
        self._keep(server.serve(), server.stop)
        _wait_for(address)
        return address

    def werkzeug(self, app: Any) -> Address:
        url = self._stack.enter_context(under_werkzeug(app))
        return "127.0.0.1", int(url.rpartition(":")[2])

    def waitress(self, app: Any) -> Address:
        server: Any = waitress.server.create_server(app, host="127.0.0.1", port=0, threads=4)
        stopped = threading.Event()

        def run() -> None:
            while not stopped.is_set():
                server.asyncore.loop(timeout=60, map=server._map, count=1)
            server.task_dispatcher.shutdown()
            server.asyncore.close_all(server._map)

        thread = threading.Thread(target=run)
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(server.pull_trigger)
        self._stack.callback(stopped.set)
        return "127.0.0.1", int(server.effective_port)

    def gunicorn(self, app: str) -> Address:
        """Serve the app that a gunicorn factory call returns, in a separate process."""
        with _listening() as listening:
            fd = listening.fileno()
            command = [sys.executable, "-m", "gunicorn", f"--bind=fd://{fd}", "--threads=4"]
            command += ["--no-control-socket", "--log-level=critical", app]
            # Flask lists the allowed methods in the order of a set.
            environment = {**os.environ, "PYTHONHASHSEED": "0"}
            process = subprocess.Popen(command, pass_fds=[fd], cwd=ROOT, env=environment)
            self._stack.callback(process.wait, 60)
            self._processes.append(process)
            return _address(listening)


def _address(listening: socket.socket) -> Address:
    host, port = listening.getsockname()
    return host, port


def _wait_for(address: Address) -> None:
    """Wait until something listens; refused attempts are cheap."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(address):
            return
    raise TimeoutError("the server does not listen")
