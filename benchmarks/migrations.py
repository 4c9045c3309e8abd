"""A thousand schemas are migrated, with one process and with four, on PostgreSQL.

Each run adds a table with an index to the shared tables and to every schema. The time and the
memory of the command with its processes are printed: when a tenth of the schemas was done, and at
its highest. The benchmark fails if a schema is left behind.

Run it as ``python -m benchmarks.migrations``, perhaps with another number of schemas; ``make
bench`` runs it with the others.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import sqlalchemy

from benchmarks.measure import machine, table
from tests.adapters.sqlalchemy.provisioning.estates import TARGET, Estate, estate_on, script
from tests.commands import ROOT

SCHEMAS: Final = 1_000
JOBS: Final = (1, 4)


def main(schemas: int = SCHEMAS) -> int:
    print(f"{machine()}, SQLAlchemy {sqlalchemy.__version__}, {os.cpu_count()} cores")
    print(f"{schemas:,} schemas\n")
    with (
        tempfile.TemporaryDirectory() as folder,
        estate_on("postgresql", Path(folder), empty=True) as estate,
    ):
        names = [f"tenant{number}" for number in range(schemas)]
        estate.here.run(*(f"CREATE SCHEMA {each}" for each in names))
        estate.here.run(
            "INSERT INTO estate_tenant (id, active, schema) SELECT 'tenant' || n, true, "
            f"'tenant' || n FROM generate_series(0, {schemas - 1}) n"
        )
        rows = [_run(estate, schemas, number, jobs) for number, jobs in enumerate(JOBS)]
    print(table(("processes", "time", "a schema", "memory at a tenth", "at most"), rows))
    return 0


def _run(estate: Estate, schemas: int, number: int, jobs: int) -> tuple[str, ...]:
    name, down = f"more{number}", "first" if number == 0 else f"more{number - 1}"
    add = f'op.create_table("{name}", sa.Column("id", sa.Integer, primary_key=True, index=True))'
    estate.use_alembic(**{name: script(name, down, add)})
    began = time.perf_counter()
    process = subprocess.Popen(
        [
            sys.executable,
            *("-m", "tenantshield_mw.adapters.command"),
            *("migrate", TARGET, "--jobs", str(jobs)),
        ],
        cwd=estate.folder,
        env={**os.environ, **estate.environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    early = most = 0
    done = f"SELECT count(*) FROM pg_tables WHERE tablename = '{name}'"
    while process.poll() is None:
        most = max(most, _resident(process.pid))
        if not early and estate.here.read(done)[0][0] * 10 > schemas:
            early = most
        time.sleep(0.5)
    took = time.perf_counter() - began
    (found,) = estate.here.read(done)
    if process.returncode or found != (schemas + 1,):
        raise RuntimeError(f"{found[0]} of {schemas + 1} places were migrated")
    return (
        str(jobs),
        f"{took:.0f} s",
        f"{took / schemas * 1000:.0f} ms",
        f"{early / 2**20:.0f} MiB",
        f"{most / 2**20:.0f} MiB",
    )


def _resident(pid: int) -> int:
    """Return the resident memory of a process and of those that it has started, in bytes."""
    total = 0
    for each in (pid, *_children(pid)):
        try:
            pages = int(Path(f"/proc/{each}/statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError, IndexError):
            continue
        total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


def _children(pid: int) -> Iterator[int]:
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found = tasks.read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield from map(int, found)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
