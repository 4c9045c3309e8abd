"""The demonstration, run with the README's command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from examples.invoices.attempts import ATTEMPTS
from examples.starlette.tests.serving import ROOT
from examples.starlette.views import VIEWS


def command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", module, *arguments]


def finished(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(module, *arguments), cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def guarded() -> subprocess.CompletedProcess[str]:
    return finished("examples.starlette.demo", "--once")


@pytest.fixture(scope="module")
def unguarded() -> subprocess.CompletedProcess[str]:
    return finished("examples.starlette.tests.unguarded_demo")


def line_of(name: str, output: str) -> str:
    return next(line for line in output.splitlines() if line.startswith(f"{name}  "))


def tables(output: str) -> list[list[str]]:
    return [part.splitlines() for part in output.split("\n\n") if "----" in part]


def test_it_succeeds_and_says_that_nothing_crossed(
    guarded: subprocess.CompletedProcess[str],
) -> None:
    assert guarded.stderr == ""
    assert f"0 of {len(ATTEMPTS)} attempts crossed" in guarded.stdout
    assert guarded.returncode == 0


@pytest.mark.parametrize("name", [attempt.name for attempt in (*VIEWS, *ATTEMPTS)])
def test_every_line_says_kept_apart(guarded: subprocess.CompletedProcess[str], name: str) -> None:
    assert line_of(name, guarded.stdout).endswith("  kept apart")


def test_the_columns_of_both_tables_are_aligned(guarded: subprocess.CompletedProcess[str]) -> None:
    found = tables(guarded.stdout)
    assert [len(lines) for lines in found] == [2 + len(VIEWS), 2 + len(ATTEMPTS)]
    for heading, rule, *lines in found:
        starts = [match.start() for match in re.finditer("-+", rule)]
        for line in (heading, *lines):
            assert all(line[start] != " " for start in starts)
            assert all(line[start - 2 : start] == "  " for start in starts[1:])


def test_without_the_guard_it_fails(unguarded: subprocess.CompletedProcess[str]) -> None:
    assert unguarded.returncode == 1
    assert f"{len(ATTEMPTS)} of {len(ATTEMPTS)} attempts crossed" in unguarded.stdout


@pytest.mark.parametrize("name", [attempt.name for attempt in ATTEMPTS])
def test_without_the_guard_every_attempt_crosses(
    unguarded: subprocess.CompletedProcess[str], name: str
) -> None:
    assert line_of(name, unguarded.stdout).endswith("  CROSSED")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_without_once_it_serves_until_it_is_stopped(tmp_path: Path, stop: signal.Signals) -> None:
    with subprocess.Popen(
        command("examples.starlette.demo"),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        address = None
        for line in demo.stdout:
            if match := re.search(r"^  curl .*(http://\S+)/invoices$", line):
                address = match[1]
                break
        assert address is not None
        answer = httpx.get(
            f"{address}/customers", headers={"X-Tenant-ID": "globex"}, trust_env=False
        )
        demo.send_signal(stop)
        _, said = demo.communicate()
    assert [row["name"] for row in answer.json()] == ["Northwind", "Sirius Shipping"]
    assert (demo.returncode, said) == (0, "")
    assert list(tmp_path.iterdir()) == []
