"""The application on PostgreSQL moves in with policies for row-level security, too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.commands import ROOT, STRICT, serving
from tests.databases import require
from tests.policy_database import PolicyDatabase, policy_database

from .applications import PROJECTS
from .diffs import apply
from .sweep import World, leaks_of

TABLES = """
import os

from sqlalchemy import create_engine
from sqlmodel import SQLModel

from app import models
from tenantshield_mw.adapters.sqlalchemy import rls

options = {"options": "-c role=" + os.environ["OWNER"]}
engine = create_engine(os.environ["OWNER_URL"], connect_args=options)
with engine.begin() as connection:
    SQLModel.metadata.create_all(connection)
    rls.create_policies(connection, SQLModel.metadata)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    require("postgresql")
    there = tmp_path / PROJECTS.name
    shutil.copytree(PROJECTS.folder, there, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("protect.diff", "policies.diff"):
        apply((there / name).read_text(), there)
    return there


def environ_of(here: PolicyDatabase, folder: Path) -> dict[str, str]:
    as_app = here.async_url.set(username=here.app)
    return {
        **PROJECTS.environ(here),
        "DATABASE_URL": as_app.render_as_string(hide_password=False),
        "OWNER_URL": here.url.render_as_string(hide_password=False),
        "OWNER": here.owner,
        "SYSTEM_ROLE": here.system,
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
    }


@contextmanager
def world(folder: Path) -> Generator[tuple[PolicyDatabase, World]]:
    with ExitStack() as stack:
        here = stack.enter_context(policy_database())
        assert isinstance(here, PolicyDatabase)
        environ = environ_of(here, folder)
        command = [sys.executable, *STRICT, "-c", TABLES]
        subprocess.run(command, env={**os.environ, **environ}, check=True)
        here.grant()
        address = stack.enter_context(serving(*PROJECTS.serve, environ=environ))
        client = stack.enter_context(httpx.Client(base_url=address, timeout=60))
        yield here, World(here, client)


def test_with_the_policies_the_sweep_finds_nothing_either(folder: Path) -> None:
    with world(folder) as (here, both), world(folder) as (_, alone):
        for each in (both, alone):
            each.fill(PROJECTS.seed)
        alone.forget_acme()
        operations = PROJECTS.operations(both.client, folder)
        found = leaks_of(
            operations,
            both,
            alone,
            PROJECTS.tables,
            status_only=PROJECTS.status_only,
            allow=PROJECTS.allow,
        )
        with here.app_dbapi() as connection:
            past_the_guard = connection.execute("SELECT count(*) FROM project").fetchone()
        assert both.rows()["project"]
        assert past_the_guard == (0,)
    assert found == []
