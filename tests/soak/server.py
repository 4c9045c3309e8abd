"""A PostgreSQL server for the soak test, which can be killed and restarted.

Unlike the one that the other tests share, it does not forget what it has acknowledged.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import URL

from tests.databases import Database, postgresql_package

__all__ = ["Server", "server"]


class Server:
    """A server, with one database.

    Args:
        started: what its package has started.
    """

    def __init__(self, started: Any) -> None:
        self._started = started
        self.folder = str(started.get_postmaster_info().socket_dir)
        arguments: dict[str, Any] = {"host": self.folder, "user": "postgres"}
        with psycopg.connect(**arguments, dbname="postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE soak")
        query = {"host": self.folder}
        self.here = Database(
            "postgresql",
            URL.create("postgresql+psycopg", "postgres", database="soak", query=query),
            URL.create("postgresql+asyncpg", "postgres", database="soak", query=query),
            {**arguments, "dbname": "soak"},
        )

    def terminate_one(self, role: str, lot: float) -> int:
        """Terminate one of the connections of ``role``; return how many were terminated.

        Args:
            role: the name of a role.
            lot: which one, from 0 to 1.
        """
        sql = "SELECT pid FROM pg_stat_activity WHERE usename = %s ORDER BY pid"
        found = self.here.read(sql, [role])
        if not found:
            return 0
        (pid,) = found[int(lot * len(found))]
        [(ended,)] = self.here.read("SELECT pg_terminate_backend(%s)", [pid])
        return int(ended)

    def restart(self) -> None:
        """Kill all of the server's processes, and let it recover from its log.

        https://www.postgresql.org/docs/current/server-shutdown.html, "Immediate Shutdown"
        """
        started = self._started
        with tempfile.TemporaryFile() as said:
            subprocess.run(
                [
                    str(started.bin_path / "pg_ctl"),
                    *("-D", str(started.pgdata)),
                    *("-l", str(started.log)),
                    *("-m", "immediate"),
                    *("-t", "300"),
                    "restart",
                ],
                check=True,
                stdout=said,
                stderr=said,
                user=started.system_user,
            )
        # Another process must be stopped at the end now.
        started.ensure_postgres_running()


@contextmanager
def server() -> Generator[Server]:
    """Yield a server in a temporary folder, and delete it afterwards."""
    started = postgresql_package()(
        tempfile.mkdtemp(prefix="tenantshield-soak-"), cleanup_mode="delete"
    )
    try:
        yield Server(started)
    finally:
        started.cleanup()
