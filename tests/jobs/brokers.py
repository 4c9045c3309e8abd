"""Redis and RabbitMQ, each started as the current user, in a temporary folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

__all__ = ["DEADLINE", "rabbitmq_server", "redis_server", "until"]

REQUIRE_SERVERS: Final = "TENANTSHIELD_REQUIRE_SERVERS"
"""Where this is set in the environment, a broker that is not installed fails the tests."""

DEADLINE: Final = 60.0
"""How long anything may take, in seconds."""


def until(happened: Callable[[], object], otherwise: Callable[[], str] = str) -> None:
    """Wait until ``happened`` returns something true.

    Args:
        happened: what to wait for; asked again and again.
        otherwise: says more about why it has not happened.

    Raises:
        AssertionError: it has not happened in time.
    """
    deadline = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)


def _program(*names: str, package: str) -> str:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/lib/rabbitmq/bin"
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    reason = f"no {names[0]}: install Debian's package {package}"
    if os.environ.get(REQUIRE_SERVERS):
        pytest.fail(f"{reason} ({REQUIRE_SERVERS} is set)")
    pytest.skip(reason)


@contextmanager
def _running(
    command: list[str], log: Path, environ: dict[str, str]
) -> Generator[subprocess.Popen[bytes]]:
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **environ}
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def redis_server() -> Generator[Path]:
    """Yield the socket of a Redis that saves nothing."""
    program = _program("redis-server", package="redis-server")
    with tempfile.TemporaryDirectory(prefix="tenantshield-redis-") as name:
        folder = Path(name)
        listens = folder / "redis.sock"
        log = folder / "log"
        options = {"port": "0", "unixsocket": str(listens), "dir": name, "save": ""}
        command = [program, *(part for key, to in options.items() for part in (f"--{key}", to))]
        with _running(command, log, {}) as process:
            until(lambda: process.poll() is not None or _answers(listens), log.read_text)
            assert process.poll() is None, log.read_text()
            yield listens


def _answers(listens: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(listens))
            client.sendall(b"PING\r\n")
            return client.recv(7) == b"+PONG\r\n"
        except OSError:
            return False


@contextmanager
def rabbitmq_server() -> Generator[str]:
    """Yield the host and port of a RabbitMQ without plugins, with the user ``guest``."""
    # Debian's program of this name in /usr/sbin runs as another user.
    broker = _program("/usr/lib/rabbitmq/bin/rabbitmq-server", package="rabbitmq-server")
    mapper = _program("epmd", package="rabbitmq-server")
    with (
        tempfile.TemporaryDirectory(
            prefix="tenantshield-rabbitmq-", ignore_cleanup_errors=True
        ) as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        port, distribution, mapping = _free_ports(3)
        log = folder / "log.txt"
        (folder / "rabbitmq.conf").touch()
        environ = {
            "HOME": name,
            "ERL_EPMD_PORT": str(mapping),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"tenantshield{os.getpid()}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": f"{name}/database",
            "RABBITMQ_LOG_BASE": f"{name}/log",
            "RABBITMQ_PID_FILE": f"{name}/pid",
            "RABBITMQ_CONFIG_FILE": f"{name}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{name}/none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{name}/plugins",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{name}/generated",
            # Fewer processes wait for work in vain.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }
        # Erlang would leave a daemon of its own behind.
        stack.enter_context(_running([mapper], folder / "epmd.txt", environ))
        process = stack.enter_context(_running([broker], log, environ))
        until(
            lambda: process.poll() is not None or "Starting broker... completed" in log.read_text(),
            log.read_text,
        )
        assert process.poll() is None, log.read_text()
        yield f"127.0.0.1:{port}"


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
