"""What it takes to export, import and erase a tenant, on PostgreSQL.

Two tables, of which one is tied to the other, have 1,000,000 rows of 1,000 tenants, and as many of
one tenant more. The commands run as processes for a tenant of 1,000 rows, and for the one of
1,000,000. For each, the time, the peak resident memory, and whether a checksum of all rows of the
other tenants has changed are printed; the driver alone computes the checksum, as a superuser.

The benchmark fails if a checksum changes where it must not, if rows are missing in the copy or left
after they were erased, or if a process takes more than 200 MiB.

Run it as ``python -m benchmarks.lifecycle``; ``make bench`` runs it with the others.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.measure import machine, table
from tenantshield_mw import system_scope
from tenantshield_mw.adapters.sqlalchemy import require_declared, tenant_aware
from tests.databases import Database, database

TENANTS: Final = 1_000
INVOICES: Final = 200_000
LINES: Final = 4
"""Per invoice: 1,000,000 rows in all."""
SMALL: Final = "tenant 7"
LARGE: Final = "large"
LIMIT: Final = 200
"""MiB of resident memory."""
TARGET: Final = "benchmarks.lifecycle:Base"


class Base(DeclarativeBase):
    pass


@tenant_aware
class Invoice(Base):
    __tablename__ = "bench_invoice"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(index=True)
    text: Mapped[str]


class Line(Base):
    __tablename__ = "bench_line"
    id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("bench_invoice.id"), index=True)
    text: Mapped[str]


require_declared(Base)


def create(db: Database) -> None:
    engine = create_engine(db.url)
    with system_scope("create the benchmark's tables"):
        Base.metadata.create_all(engine)
    engine.dispose()


def fill(db: Database) -> None:
    create(db)
    for first, tenant in ((0, f"'tenant ' || n % {TENANTS}"), (INVOICES, f"'{LARGE}'")):
        last = first + INVOICES
        db.run(
            f"INSERT INTO bench_invoice SELECT n, {tenant}, 'invoice ' || n "
            f"FROM generate_series({first + 1}, {last}) n",
            f"INSERT INTO bench_line SELECT n, (n - 1) / {LINES} + 1, 'line ' || n "
            f"FROM generate_series({first * LINES + 1}, {last * LINES}) n",
        )
    for each in ("invoice", "line"):
        db.run(
            f"SELECT setval('bench_{each}_id_seq', (SELECT max(id) FROM bench_{each}))",
            f"VACUUM ANALYZE bench_{each}",
        )


def others(db: Database, *tenants: str) -> tuple[int, ...]:
    """Return the number and a checksum of all rows that are not of ``tenants``."""
    names = ", ".join(f"'{each}'" for each in tenants)
    ((invoices, first),) = db.read(
        "SELECT count(*), sum(hashtextextended(i::text, 0)::numeric) FROM bench_invoice i "
        f"WHERE tenant_id NOT IN ({names})"
    )
    ((lines, second),) = db.read(
        "SELECT count(*), sum(hashtextextended(l::text, 0)::numeric) FROM bench_line l "
        f"JOIN bench_invoice i ON i.id = l.invoice_id WHERE tenant_id NOT IN ({names})"
    )
    return int(invoices + lines), int(first or 0), int(second or 0)


def own(db: Database, tenant: str) -> int:
    """Return the number of a tenant's rows."""
    ((invoices, lines),) = db.read(
        "SELECT count(DISTINCT i.id), count(l.id) FROM bench_invoice i "
        f"LEFT JOIN bench_line l ON l.invoice_id = i.id WHERE tenant_id = '{tenant}'"
    )
    return int(invoices + lines)


@dataclass(frozen=True, slots=True)
class Run:
    """A command that has run."""

    seconds: float
    processor: float
    """Seconds of this process, without the database's."""
    mebibytes: float


def run(*arguments: str) -> Run:
    """Run ``tenantshield-mw`` as a process."""
    command = [sys.executable, "-m", "tenantshield_mw.adapters.command", *arguments]
    begin = time.perf_counter()
    with Path(os.devnull).open("w") as nothing:
        actions = [(os.POSIX_SPAWN_DUP2, nothing.fileno(), 1)]
        process = os.posix_spawn(sys.executable, command, os.environ, file_actions=actions)
        _, status, used = os.wait4(process, 0)
    if status != 0:
        raise RuntimeError(f"{arguments[0]} failed")
    # Linux counts in KiB.
    processor = used.ru_utime + used.ru_stime
    return Run(time.perf_counter() - begin, processor, used.ru_maxrss / 1024)


def steps(here: Database, there: Database, folder: Path) -> Iterator[tuple[str, Run, bool]]:
    """Yield what was done, what it took, and whether it did that and nothing else."""
    url, other = (each.url.render_as_string(hide_password=False) for each in (here, there))
    each_rows = {SMALL: INVOICES // TENANTS * (LINES + 1), LARGE: INVOICES * (LINES + 1)}
    for tenant, rows in each_rows.items():
        everything = others(here, "nobody")
        out = str(folder / tenant)
        done = run("export", tenant, TARGET, "--url", url, "--out", out)
        yield f"export of {rows:,}", done, others(here, "nobody") == everything
        done = run("import", out, TARGET, "--url", other)
        yield f"import of {rows:,}, other database", done, own(there, tenant) == rows
        done = run("import", out, TARGET, "--url", url, "--tenant", "copy", "--new-keys")
        right = own(here, "copy") == rows and others(here, "copy") == everything
        yield f"import of {rows:,}, new keys", done, right
        rest = others(here, tenant)
        done = run("erase", tenant, TARGET, "--url", url, "--confirm", tenant)
        right = own(here, tenant) == 0 and others(here, tenant) == rest
        yield f"erase of {rows:,}", done, right
        run("erase", "copy", TARGET, "--url", url, "--confirm", "copy")


def main() -> int:
    print(f"{machine()}, SQLAlchemy {sqlalchemy.__version__}")
    with (
        database("postgresql") as here,
        database("postgresql") as there,
        tempfile.TemporaryDirectory() as folder,
    ):
        fill(here)
        create(there)
        ((version,),) = here.read("SHOW server_version")
        count, *checksums = others(here, "nobody")
        print(f"PostgreSQL {version}, {count:,} rows, checksum {sum(checksums):x}")
        rows: list[tuple[str, ...]] = []
        failed: list[str] = []
        for name, done, right in steps(here, there, Path(folder)):
            rows.append(
                (
                    name,
                    f"{done.seconds:.1f}",
                    f"{done.processor:.1f}",
                    f"{done.mebibytes:.0f}",
                    "yes" if right else "NO",
                )
            )
            print("  ".join(rows[-1]), flush=True)
            if not right or done.mebibytes > LIMIT:
                failed.append(name)
        print()
        print(table(("", "seconds", "of them its own", "peak MiB", "others unchanged"), rows))
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
