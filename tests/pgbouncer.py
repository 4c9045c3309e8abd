"""PgBouncer in transaction mode, in front of a PostgreSQL server.

It listens on a Unix socket in a separate temporary folder, so no port can be in use already::

    with pgbouncer(server_folder, users=["app"]) as folder:
        engine = create_engine(url.update_query_dict({"host": folder}))
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["PORT", "REQUIRE_SERVERS", "pgbouncer", "require", "why_unavailable"]

PORT: Final = 5432
"""Only names the socket; the one that clients look for where they are not given any."""

REQUIRE_SERVERS: Final = "TENANTSHIELD_REQUIRE_SERVERS"
"""Where this is set in the environment, tests fail that would be skipped for want of it."""

_CONFIGURATION: Final = """\
[databases]
* = host={server} port={port}

[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
listen_backlog = 1024
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 1000
server_reset_query = DISCARD ALL
server_reset_query_always = {reset}
server_login_retry = 1
log_connections = 0
log_disconnections = 0
log_pooler_errors = 0
logfile =
pidfile =
"""


def why_unavailable() -> str | None:
    """Return why there is no PgBouncer; ``None`` if there is one."""
    return None if _program() else "no pgbouncer: install Debian's package pgbouncer"


def require() -> None:
    """Skip the running test, with the reason, if there is no PgBouncer."""
    # Imported here, since the soak test uses this module too.
    import pytest

    reason = why_unavailable()
    if reason is not None:
        if os.environ.get(REQUIRE_SERVERS):
            pytest.fail(f"{reason} ({REQUIRE_SERVERS} is set)")
        pytest.skip(reason)


@contextmanager
def pgbouncer(
    server: str | Path, *, users: Iterable[str], size: int = 10, reset: bool = True
) -> Generator[str]:
    """Yield the folder with the socket of a PgBouncer, and stop it afterwards.

    Args:
        server: the folder with the socket of the PostgreSQL server.
        users: the users that may connect, all without a password.
        size: the number of connections to the server for each user of each database.
        reset: whether it resets a session's state between two transactions.

    Raises:
        RuntimeError: PgBouncer is missing or did not start; the message has its output.
    """
    program = _program()
    if program is None:
        raise RuntimeError(why_unavailable())
    # It refuses to run as root, and its user has to reach the server's socket: the user
    # whom the server runs as does.
    owner = (Path(server) / f".s.PGSQL.{PORT}").stat()
    user, group = (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else (None, None)
    with tempfile.TemporaryDirectory(prefix="tenantshield-bouncer-") as name:
        folder = Path(name)
        (folder / "users.txt").write_text("".join(f'"{each}" ""\n' for each in users))
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(
            _CONFIGURATION.format(
                server=server,
                port=PORT,
                folder=folder,
                size=size,
                reset=int(reset),
            )
        )
        if user is not None and group is not None:
            for each in (folder, *folder.iterdir()):
                os.chown(each, user, group)
        # Others connect to the socket.
        folder.chmod(0o755)
        with subprocess.Popen(
            [program, str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            user=user,
            group=group,
        ) as process:
            yield from _serving(process, name)


def _serving(process: subprocess.Popen[str], folder: str) -> Generator[str]:
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        # PgBouncer prints this after it has begun to listen.
        if "process up" in line:
            break
    else:
        raise RuntimeError("pgbouncer did not start:\n" + "".join(said))
    # Read the output from here on, so that the process never blocks on a full pipe.
    reading = threading.Thread(target=process.stdout.read)
    reading.start()
    try:
        yield folder
    finally:
        process.terminate()
        process.wait()
        reading.join()


def _program() -> str | None:
    # Debian installs servers in a folder that is not on every user's path.
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
