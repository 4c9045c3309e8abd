"""Jobs that are enqueued over HTTP, go through the real brokers, and are run by the libraries' own
workers, one of which is killed.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.commands import ROOT, serving

from .brokers import rabbitmq_server, redis_server, until

ACME, GLOBEX, SUSPENDED_LATER = 1, 2, 3

QUEUES: Final = (
    "celery-redis",
    "celery-rabbitmq",
    "rq-redis",
    "dramatiq-redis",
    "dramatiq-rabbitmq",
    "taskiq-redis",
)

REFUSED: Final = "TenantSuspendedError"
WITHOUT: Final = "so its job has no tenant and is not run"


@pytest.fixture(scope="module")
def redis() -> Generator[Path]:
    with redis_server() as listens:
        yield listens


@pytest.fixture(scope="module")
def rabbitmq() -> Generator[str]:
    with rabbitmq_server() as address:
        yield address


@dataclass
class Ran:
    """What became of the jobs."""

    log: Path
    folder: Path
    statuses: list[int] = field(default_factory=list)
    killed: list[int] = field(default_factory=list)

    def rows(self) -> list[tuple[int, int]]:
        """Return each row's number and tenant, read past the guard."""
        with closing(sqlite3.connect(self.folder / "jobs.db", timeout=60)) as connection:
            return connection.execute("SELECT number, tenant_id FROM work ORDER BY 1").fetchall()

    def are_done(self) -> bool:
        """Return whether all jobs have run or were refused, in whichever order."""
        return len(self.rows()) >= 6 and self.said(REFUSED) and self.said(WITHOUT)

    def said(self, text: str) -> bool:
        """Return whether a worker has logged this."""
        return text in self.log.read_text()


@pytest.fixture(scope="module")
def finished() -> dict[str, Ran]:
    return {}


@pytest.fixture(params=QUEUES)
def ran(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    finished: dict[str, Ran],
) -> Ran:
    # Not a fixture of the module's: in a random order, it would be made anew for each test.
    if request.param not in finished:
        finished[request.param] = _run(request.param, request, tmp_path_factory)
    return finished[request.param]


def _run(
    queue: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Ran:
    library, _, broker = queue.partition("-")
    folder = tmp_path_factory.mktemp(queue)
    environ = {"JOBS_FOLDER": str(folder), "JOBS_BROKER": _url(library, broker, request)}
    _make_tables(folder)
    ran = Ran(folder / "log", folder)
    with serving("tests.jobs.web", library, environ=environ) as address:
        _enqueue(address, ran)
    _suspend(folder)
    with ran.log.open("w") as log:
        with _worker(library, environ, log) as worker:
            # A worker whose process is killed goes on with another one, or ends.
            killed = folder / "killed"
            until(lambda: killed.exists() or worker.poll() is not None, ran.log.read_text)
            ran.killed.append(int(killed.read_text()))
            if broker == "rabbitmq":
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
            else:
                os.kill(ran.killed[0], signal.SIGKILL)
            until(lambda: worker.poll() is not None or ran.are_done(), ran.log.read_text)
        if not ran.are_done():
            with _worker(library, environ, log):
                until(ran.are_done, ran.log.read_text)
    return ran


def _url(library: str, broker: str, request: pytest.FixtureRequest) -> str:
    if broker == "rabbitmq":
        return f"amqp://guest:guest@{request.getfixturevalue('rabbitmq')}"
    scheme = "redis+socket" if library == "celery" else "unix"
    number = ("celery", "rq", "dramatiq", "taskiq").index(library)
    separator = "virtual_host" if library == "celery" else "db"
    return f"{scheme}://{request.getfixturevalue('redis')}?{separator}={number}"


def _make_tables(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "jobs.db")) as connection:
        connection.executescript(
            """
            CREATE TABLE tenant (id INTEGER PRIMARY KEY, state TEXT NOT NULL);
            CREATE TABLE work (
                id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL, number INTEGER NOT NULL
            );
            INSERT INTO tenant VALUES (1, 'active'), (2, 'active'), (3, 'active');
            """
        )


def _suspend(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "jobs.db")) as connection, connection:
        connection.execute("UPDATE tenant SET state = 'suspended' WHERE id = ?", [SUSPENDED_LATER])


def _enqueue(address: str, ran: Ran) -> None:
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:

        def post(path: str, tenant: int | None = None) -> None:
            headers = {} if tenant is None else {"X-Tenant-ID": str(tenant)}
            ran.statuses.append(client.post(path, headers=headers).status_code)

        post("/work/1", ACME)
        post("/work/2", GLOBEX)
        post("/work/3", SUSPENDED_LATER)
        post("/killed/4", GLOBEX)
        post("/exempt/work/5")
        post("/exempt/bare/6")
        post("/work/7", ACME)
        post("/work/8", GLOBEX)
        post("/work/9", ACME)


@contextmanager
def _worker(library: str, environ: dict[str, str], log: Any) -> Generator[subprocess.Popen[str]]:
    command = _command(library, environ["JOBS_BROKER"])
    process = subprocess.Popen(
        [sys.executable, "-m", *command.split()],
        cwd=ROOT,
        env={**os.environ, **environ, "PYTHONUNBUFFERED": "1"},
        stdout=log,
        stderr=log,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        # Some would go on with what they have, or wait for more.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _command(library: str, broker: str) -> str:
    source = (ROOT / "tests" / "jobs" / f"{library}_app.py").read_text()
    line = next(line for line in source.splitlines() if line.startswith("WORKER = "))
    return line.partition('"')[2].rstrip('"').format(broker=broker)


def test_every_row_is_under_the_tenant_that_enqueued_it(ran: Ran) -> None:
    assert ran.rows() == [(1, ACME), (2, GLOBEX), (4, GLOBEX), (7, ACME), (8, GLOBEX), (9, ACME)]


def test_a_worker_was_killed_in_the_middle(ran: Ran) -> None:
    assert len(ran.killed) == 1


def test_a_job_without_a_tenant_is_refused_where_it_is_enqueued(ran: Ran) -> None:
    assert ran.statuses == [200, 200, 200, 200, 422, 200, 200, 200, 200]


def test_a_job_without_a_tenant_is_refused_by_a_worker(ran: Ran) -> None:
    assert ran.said(WITHOUT)


def test_a_job_of_a_suspended_tenant_is_refused(ran: Ran) -> None:
    assert ran.said(REFUSED)
