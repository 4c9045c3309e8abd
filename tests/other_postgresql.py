"""Run pytest with an installed PostgreSQL, instead of the one from PyPI.

::

    python -m tests.other_postgresql /usr/lib/postgresql/15/bin [arguments for pytest]

A server is started from that folder, with its data in a temporary one, and stopped again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .databases import POSTGRESQL_SOCKET

__all__ = ["server"]

# PostgreSQL refuses to run as root; its packages create this user.
_USER: Final = "postgres"


@contextmanager
def server(programs: Path) -> Generator[Path]:
    """Yield the socket's folder of a server that accepts ``postgres`` without a password.

    Args:
        programs: the folder with ``initdb`` and ``pg_ctl``.

    Raises:
        subprocess.CalledProcessError: it does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="tenantshield-pg-"))
    user = None
    if os.geteuid() == 0:
        user = _USER
        shutil.chown(folder, user)
    data = str(folder / "data")

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [programs / program, "-D", data, *arguments],
            user=user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    try:
        run("initdb", "--auth=trust", "--username=postgres", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=200 "
        options += "-c max_prepared_transactions=20"
        run("pg_ctl", "start", "--wait", "-o", options, "-l", str(folder / "log"))
        try:
            yield folder
        finally:
            run("pg_ctl", "stop", "--wait", "--mode=immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    if len(sys.argv) < 2 or not (Path(sys.argv[1]) / "pg_ctl").exists():
        sys.exit("usage: python -m tests.other_postgresql FOLDER_WITH_PG_CTL [pytest's arguments]")
    with server(Path(sys.argv[1])) as socket:
        tested = subprocess.run(
            [sys.executable, "-m", "pytest", *sys.argv[2:]],
            env={**os.environ, POSTGRESQL_SOCKET: str(socket)},
            check=False,
        )
    sys.exit(tested.returncode)


if __name__ == "__main__":
    main()
