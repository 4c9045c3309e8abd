"""Somebody who does what a page of the site says: writes its files, and types its commands."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.commands import ROOT

__all__ = ["Block", "Follower", "blocks_in", "following", "text_of"]

_INCLUDED: Final = re.compile(r"^```\{include\} (\S+)\n```$", re.MULTILINE)
_BLOCK: Final = re.compile(r"^```(\w[\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME: Final = re.compile(r"\A# ([\w./-]+\.py)\n")
_COMMAND: Final = re.compile(r"^\$ (.*)\n", re.MULTILINE)
_SERVER: Final = re.compile(r"--port 8000|_shop\.py$")

# How long a server may take to listen, in seconds, on a machine with other work.
_PATIENCE: Final = 60


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code.

    Attributes:
        language: as it is named in the page.
        code: its text.
    """

    language: str
    code: str

    @property
    def file(self) -> str | None:
        """The file that the first line names."""
        found = _NAME.match(self.code)
        return found and found[1]


def text_of(page: Path) -> str:
    """Return the text of a page, with what it includes."""
    return _INCLUDED.sub(lambda found: text_of(page.parent / found[1]), page.read_text())


def blocks_in(page: Path) -> list[Block]:
    """Return the blocks of a page of the site."""
    return [Block(*found) for found in _BLOCK.findall(text_of(page))]


class Follower:
    """Writes the files and types the commands of a page, in an empty folder.

    A command that serves runs until the next one does. The port 8000 of the page is another, which
    is free. What the page installs is there already: this checkout stands for the package.

    Args:
        folder: where.
        servers: ends the servers.
    """

    def __init__(self, folder: Path, servers: ExitStack) -> None:
        self.folder = folder
        self._servers = servers
        self._port = _free_port()
        here = Path(sys.executable).parent
        self._environment = {
            **os.environ,
            "PATH": f"{here}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error,ignore:The declarative_mixin decorator,"
            "ignore:Call to deprecated function 'set_async_context'",
            "PYTHONUNBUFFERED": "1",
        }

    def follow(self, blocks: Sequence[Block]) -> None:
        """Do what the blocks of a page say, one after the other.

        Raises:
            AssertionError: a command failed, or printed something else.
        """
        for block in blocks:
            if block.language == "python":
                assert block.file is not None, f"names no file:\n{block.code}"
                (self.folder / block.file).write_text(self._with_port(block.code))
            elif block.language == "console":
                self._type(block.code)
            else:
                raise AssertionError(f"a block that nobody follows: {block.language}")

    def _type(self, block: str) -> None:
        _, *parts = _COMMAND.split(block)
        for command, output in zip(parts[::2], parts[1::2], strict=True):
            # The environment of the tests stands for the page's own.
            if command.startswith(("python3 -m venv ", ". .venv/", "pip install ")):
                continue
            if _SERVER.search(command):
                self._serve(command)
                continue
            done = self._run(command)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            assert done.stdout.strip() == self._with_port(output).strip(), (
                f"{command}\n{done.stdout}"
            )

    def _with_port(self, text: str) -> str:
        return text.replace("8000", str(self._port))

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", self._with_port(command)],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def _serve(self, command: str) -> None:
        self._servers.close()
        self._port = _free_port()
        for file in self.folder.glob("*_shop.py"):
            file.write_text(file.read_text().replace("8000", str(self._port)))
            file.write_text(re.sub(r'("127.0.0.1", )\d+', rf"\g<1>{self._port}", file.read_text()))
        log = self._servers.enter_context((self.folder / "server.log").open("w"))
        server = subprocess.Popen(
            ["bash", "-c", f"exec {self._with_port(command)}"],
            cwd=self.folder,
            env=self._environment,
            stdout=log,
            stderr=log,
        )
        self._servers.callback(server.wait)
        self._servers.callback(server.terminate)
        deadline = time.monotonic() + _PATIENCE
        while not _listens(self._port):
            said = (self.folder / "server.log").read_text()
            assert server.poll() is None, f"{command}\n{said}"
            assert time.monotonic() < deadline, f"{command} does not serve:\n{said}"


@contextmanager
def following(folder: Path) -> Generator[Follower]:
    """Yield somebody who follows a page in ``folder``, and end their servers."""
    with ExitStack() as servers:
        yield Follower(folder, servers)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.1):
            return True
    except OSError:
        time.sleep(0.02)
        return False
