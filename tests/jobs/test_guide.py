"""The code in docs/jobs.md runs."""

from __future__ import annotations

from pathlib import Path

from tests.guides import Reader, blocks_of

BLOCKS = [block for language, block in blocks_of("jobs.md") if language == "python"]

# Enqueued without a tenant, a job is refused before a broker is needed.
CHECK = """
import asyncio

import celery_jobs, dramatiq_jobs, nightly_jobs, rq_jobs, signed_jobs, taskiq_jobs
from tenantshield_mw import MissingTenantContextError, current_tenant, system_scope
from tenants import Base, Tenant, engine
from sqlalchemy.orm import Session

# The nightly job asks the table, and leaves the suspended tenant out.
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add_all([Tenant(id="acme", active=True), Tenant(id="globex", active=False)])
    session.commit()
nightly_jobs.remind.delay = lambda number: print("for", current_tenant().tenant_id)
with system_scope("what the scheduler starts"):
    nightly_jobs.nightly.run()
del nightly_jobs.remind.delay
engine.dispose()

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
    assert len({reader.write(block) for block in BLOCKS}) == 8
    (tmp_path / "check.py").write_text(CHECK)
    assert reader.python("check.py").splitlines() == ["for acme", *["refused"] * 6]
    assert reader.python("try_jobs.py") == "7 for acme\n"
