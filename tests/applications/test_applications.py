"""Applications that people could have written move in, by a diff each."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from tenantshield_mw.adapters.testing import Finding
from tests.commands import ROOT, STRICT, serving
from tests.databases import database, require

from .applications import APPLICATIONS, Application
from .diffs import apply
from .sweep import World, leaks_of

PROVE: Final = (
    *(sys.executable, *STRICT, "-m"),
    *("tenantshield_mw.adapters.command", "prove"),
)
PASSED: Final = re.compile(r"^PASSED (\S+)$", re.MULTILINE)

each_application = pytest.mark.parametrize(
    "application", APPLICATIONS, ids=[each.name for each in APPLICATIONS]
)


@pytest.fixture
def folder(application: Application, tmp_path: Path) -> Path:
    require(application.database)
    there = tmp_path / application.name
    unneeded = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    shutil.copytree(application.folder, there, ignore=unneeded)
    return there


def protect(folder: Path) -> None:
    apply((folder / "protect.diff").read_text(), folder)


def own_tests(application: Application, folder: Path) -> set[str]:
    """Return which of its own tests pass; all must."""
    return set(PASSED.findall(application.run_tests(folder)))


@contextmanager
def world(application: Application, folder: Path) -> Generator[World]:
    with ExitStack() as stack:
        here = stack.enter_context(database(application.database))
        environ = {**application.environ(here), "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
        address = stack.enter_context(serving(*application.serve, environ=environ))
        client = stack.enter_context(httpx.Client(base_url=address, timeout=60))
        yield World(here, client)


def sweep(application: Application, folder: Path) -> list[Finding]:
    with world(application, folder) as both, world(application, folder) as alone:
        for each in (both, alone):
            each.fill(application.seed)
        alone.forget_acme()
        operations = application.operations(both.client, folder)
        return leaks_of(
            operations,
            both,
            alone,
            application.tables,
            status_only=application.status_only,
            allow=application.allow,
        )


@each_application
def test_the_same_tests_pass_before_and_after(application: Application, folder: Path) -> None:
    before = own_tests(application, folder)
    protect(folder)
    assert before == own_tests(application, folder)
    assert before


@each_application
def test_after_its_models_are_proved(application: Application, folder: Path) -> None:
    protect(folder)
    with database(application.database) as here:
        done = subprocess.run(
            [*PROVE, application.models, "--json"],
            cwd=folder,
            env={**os.environ, **application.environ(here)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = Counter(each["verdict"] for each in json.loads(done.stdout) if not each["is_open"])
    assert {*verdicts} == {"refused", "confined", "n/a"}
    assert verdicts["n/a"] < verdicts["refused"] < verdicts["confined"]


@each_application
def test_before_the_sweep_finds_what_was_forgotten(application: Application, folder: Path) -> None:
    found = sweep(application, folder)
    assert sorted({leak.operation for leak in found}) == sorted(application.leaks)


@each_application
def test_after_the_sweep_finds_nothing(application: Application, folder: Path) -> None:
    protect(folder)
    assert sweep(application, folder) == []
