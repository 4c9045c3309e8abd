"""The code in docs/jobs.md runs."""

from __future__ import annotations

from pathlib import Path

from tests.guides import Reader, blocks_of

BLOCKS = [block for language, block in blocks_of("jobs.md") if language == "python"]

TENANTS = """
from tenantshield_mw import TenantDirectory, TenantState

directory = TenantDirectory(lambda tenant_id: TenantState.ACTIVE)
"""

# Enqueued without a tenant, a job is refused before a broker is needed.
CHECK = """
import asyncio

import celery_jobs, dramatiq_jobs, nightly_jobs, rq_jobs, signed_jobs, taskiq_jobs
from tenantshield_mw import MissingTenantContextError

for enqueue in (
    lambda: celery_jobs.remind.delay(7),
    lambda: nightly_jobs.remind.delay(7),
    lambda: signed_jobs.app.send_task("remind"),
    lambda: rq_jobs.queue.enqueue(rq_jobs.remind, 7),
    lambda: dramatiq_jobs.remind.send(7),
    lambda: asyncio.run(taskiq_jobs.remind.kiq(7)),
):
    try:
        enqueue()
    except MissingTenantContextError:
        print("refused")
"""


def test_the_code_for_each_queue_runs_and_refuses_a_job_without_a_tenant(tmp_path: Path) -> None:
    reader = Reader(tmp_path, {"JOBS_KEY": "0" * 64})
    (tmp_path / "tenants.py").write_text(TENANTS)
    assert len({reader.write(block) for block in BLOCKS}) == 6
    (tmp_path / "check.py").write_text(CHECK)
    assert reader.python("check.py").splitlines() == ["refused"] * 6
