"""Processes that run Alembic for one place after the other.

Alembic keeps what it works on in a module, so two runs at once need two processes. A process is
replaced after some runs, so that what ``env.py`` and the scripts leave behind does not add up.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import IO, Any, Final, TextIO

from sqlalchemy import make_url

from ..doctor.targets import without_secrets
from ..errors import ConfigurationError
from .steering import Course, steered

__all__ = ["Job", "Outcome", "Worker", "upgrade"]

_RUNS: Final = 50
"""The number of runs after which a process is replaced."""

_TAIL: Final = 2000
"""How many characters of what a failed run printed are shown."""


@dataclass(frozen=True, slots=True)
class Job:
    """A place to migrate.

    Attributes:
        placement: the place, in words.
        schema: its schema, and
        database: its database, as ``env.py`` and the scripts find them in
            ``context.config.attributes``.
        ini: the path of ``alembic.ini``.
        course: where the connections of ``env.py`` go.
    """

    placement: str
    schema: str | None
    database: str | None
    ini: str
    course: Course


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run.

    Attributes:
        placement: the place, in words.
        version: the revisions that it is at; empty if they are not known.
        error: why it failed; ``None`` if it did not.
    """

    placement: str
    version: str
    error: str | None = None


class Worker:
    """A process that migrates; it is started when it is needed."""

    def __init__(self) -> None:
        self._process: Any = None
        self._pipe: Connection | None = None
        self._runs = 0

    def run(self, job: Job) -> Outcome:
        """Migrate a place, and return what became of it, whatever that is."""
        if self._runs >= _RUNS:
            self.close()
        try:
            if self._pipe is None:
                self._start()
            assert self._pipe is not None
            self._pipe.send(job)
            outcome: Outcome = self._pipe.recv()
        except (EOFError, OSError):
            self.close()
            return Outcome(job.placement, "", "the process that ran Alembic died")
        self._runs += 1
        return outcome

    def _start(self) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        # Otherwise the end of the process would not be noticed.
        theirs.close()
        self._runs = 0

    def close(self) -> None:
        """End the process."""
        if self._pipe is not None:
            self._pipe.close()
            self._process.join()
        self._pipe = self._process = None


def _serve(pipe: Connection) -> None:
    while True:
        try:
            job: Job = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        pipe.send(upgrade(job))


def upgrade(job: Job) -> Outcome:
    """Migrate a place to the newest revision, in this process."""
    with tempfile.TemporaryFile() as printed, _printing_to(printed):
        try:
            with steered(job.course):
                version = _upgrade(job)
        # Also what env.py raises to exit.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            return Outcome(job.placement, _version(job), _reason(job, error, printed))
    return Outcome(job.placement, version)


def _upgrade(job: Job) -> str:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = _config(job)
    command.upgrade(config, "heads")
    return ", ".join(sorted(ScriptDirectory.from_config(config).get_heads()))


def _version(job: Job) -> str:
    """Return the revisions that a place was left at."""
    from alembic import command

    written = StringIO()
    try:
        with steered(job.course):
            command.current(_config(job, written))
    except (Exception, SystemExit):  # noqa: BLE001 - the error of the run itself is reported
        return ""
    return ", ".join(sorted(line.split()[0] for line in written.getvalue().splitlines() if line))


def _config(job: Job, stdout: TextIO | None = None) -> Any:
    try:
        from alembic.config import Config
    except ImportError:
        raise ConfigurationError(
            "Alembic is not installed: pip install 'tenantshield-mw[sqlalchemy,alembic]'"
        ) from None
    config = Config(job.ini, stdout=stdout or StringIO())
    config.attributes.update(schema=job.schema, database=job.database)
    return config


def _reason(job: Job, error: BaseException, printed: IO[bytes]) -> str:
    url = None if job.course.url is None else make_url(job.course.url)
    printed.seek(0)
    tail = printed.read().decode(errors="replace")[-_TAIL:].strip()
    text = f"{type(error).__name__}: {error}"
    return without_secrets(f"{text}\n{tail}" if tail else text, url)


@contextmanager
def _printing_to(file: IO[bytes]) -> Generator[None]:
    """Send what this process prints to a file: several at once would print into each other."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in (1, 2)]
    try:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, own in zip((1, 2), kept, strict=True):
            os.dup2(own, number)
            os.close(own)
