"""The rows that jobs write, and the directory that workers ask, in the database that the
environment names.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import TenantDirectory, TenantState
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware, tenants_in

__all__ = ["KEYS", "Base", "Work", "engine", "make_directory", "work"]

KEYS = [b"a key for the tests of job queues"]

FOLDER = Path(os.environ["JOBS_FOLDER"])

engine = create_engine(f"sqlite:///{FOLDER}/jobs.db", connect_args={"timeout": 60})


class Base(DeclarativeBase):
    pass


@shared_across_tenants
class Tenant(Base):
    __tablename__ = "tenant"
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]


@tenant_aware
class Work(Base):
    """That a job has run."""

    __tablename__ = "work"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int]
    number: Mapped[int]


def make_directory(*, in_thread: bool = False) -> TenantDirectory:
    """Return what workers ask.

    Args:
        in_thread: whether they run an event loop.
    """
    states = {"active": TenantState.ACTIVE}
    return TenantDirectory(
        tenants_in(
            engine, Tenant, id=Tenant.id, state=Tenant.state, states=states, in_thread=in_thread
        )
    )


def work(number: int, is_killed: bool = False) -> None:
    """Write a row for the tenant in scope.

    Args:
        number: what to write.
        is_killed: whether to wait, the first time, with the row written but not committed, until
            the process is killed whose id is in the file ``killed``.
    """
    with Session(engine) as session:
        session.add(Work(number=number))
        session.flush()
        waiting = FOLDER / "killed"
        if is_killed and not waiting.exists():
            written = FOLDER / f"{os.getpid()}"
            written.write_text(f"{os.getpid()}")
            written.rename(waiting)
            assert threading.Event().wait(60), "nobody has killed this process"
        session.commit()
