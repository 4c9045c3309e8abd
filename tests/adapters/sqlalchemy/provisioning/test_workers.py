"""A process migrates one place after the other; its end is no end of the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantshield_mw.adapters.sqlalchemy.provisioning import workers
from tenantshield_mw.adapters.sqlalchemy.provisioning.steering import Course
from tenantshield_mw.adapters.sqlalchemy.provisioning.workers import Job, Worker


def job(folder: Path, env: str, name: str = "here") -> Job:
    (folder / "versions").mkdir(exist_ok=True)
    (folder / "env.py").write_text(env)
    (folder / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s\npath_separator = os\n"
    )
    return Job(name, None, None, str(folder / "alembic.ini"), Course("sqlite", None, ()))


def test_the_end_of_a_process_is_told_and_another_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_RUNS", 1)
    worker = Worker()
    try:
        dead = worker.run(job(tmp_path, "import os; os._exit(9)"))
        assert dead.error == "the process that ran Alembic died"
        pids = set()
        for _ in range(2):
            raised = worker.run(job(tmp_path, "import os; raise ValueError(f'in {os.getpid()}')"))
            assert raised.error is not None
            pids.add(raised.error)
        assert len(pids) == 2
    finally:
        worker.close()


def test_what_a_failed_run_has_printed_is_told_without_passwords(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    env = "print('seen'); raise ValueError('postgresql://app:secret@host/x')"
    worker = Worker()
    outcome = worker.run(job(tmp_path, env))
    worker.close()
    assert outcome.error is not None
    assert outcome.error.startswith("ValueError: postgresql://***@host/x")
    assert "secret" not in outcome.error
    assert "seen" in outcome.error
    assert capfd.readouterr().out == ""
