"""The README works: its code runs, and its commands and links exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import STRICT

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
LONGEST = 150

# What the block has to do once it ran.
CHECK = """
from starlette.testclient import TestClient

client = TestClient(app)
for tenant, expected in (("acme", [100]), ("globex", [900])):
    answer = client.get("/invoices", headers={"X-Tenant-ID": tenant})
    assert answer.json() == expected, answer.text
assert client.get("/invoices").status_code == 400
engine.dispose()
"""


def python_block() -> str:
    (block,) = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert README.count("```python\n") == 1
    return str(block)


def test_the_python_block_does_what_the_text_says(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, *STRICT, "-c", python_block() + CHECK],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")


def test_it_can_be_read_in_one_go() -> None:
    assert len(README.splitlines()) <= LONGEST


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_each_make_target_that_is_named_exists(document: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:`|\$ )make ([a-z-]+)", (ROOT / document).read_text()))
    assert named
    assert named <= targets


@pytest.mark.parametrize("document", sorted(path.name for path in ROOT.glob("*.md")))
def test_each_link_into_the_repository_leads_somewhere(document: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / document).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_table_of_ways_is_the_generated_one() -> None:
    generated = (ROOT / "docs" / "leaks.md").read_text()
    shown = re.search(
        r"^\d+ attacks on another tenant's rows.*?^Fifteen", README, re.DOTALL | re.MULTILINE
    )
    assert shown is not None
    rows = re.findall(r"^\|.*\|$", shown[0], re.MULTILINE)
    assert len(rows) > 10
    assert [row for row in rows if row not in generated] == []


def test_each_way_of_use_is_on_the_pages_that_it_links() -> None:
    # Those pages are run as they are written.
    ways = re.findall(
        r"^\| (.*\]\(docs/start/.*) \| `.*?(\w+)\((?:app, )?resolve_tenant", README, re.MULTILINE
    )
    assert len(ways) == 5
    for links, name in ways:
        for page in re.findall(r"\]\(([^)#]+)", links):
            assert f"{name}(" in (ROOT / page).read_text(), (page, name)


def test_the_command_that_installs_it_does(tmp_path: Path) -> None:
    (command,) = re.findall(r"^\$ (pip install .*)$", README, re.MULTILINE)
    # The command resolves dependencies, and finds only the releases of a lock file.
    wheels = tmp_path / "wheels"
    lock_file = ROOT / "requirements" / "demo.txt"
    download = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(wheels),
    ]
    download += ["--only-binary", ":all:", "--require-hashes", "-r", str(lock_file)]
    downloaded = subprocess.run(download, capture_output=True, text=True, check=False)
    if downloaded.returncode and "TENANTSHIELD_REQUIRE_SERVERS" not in os.environ:
        pytest.skip(f"packages are not to be had here: {downloaded.stderr.strip()}")
    assert downloaded.returncode == 0, downloaded.stderr

    checkout = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("tenantshield_mw", "adapters"):
        shutil.copytree(ROOT / folder, checkout / folder, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, checkout)
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    environ = {
        **os.environ,
        "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
    }
    subprocess.run(command, shell=True, cwd=checkout, env=environ, check=True)
    example = python_block() + "\nengine.dispose()"
    subprocess.run([venv / "bin/python", "-I", "-c", example], cwd=tmp_path, check=True)
