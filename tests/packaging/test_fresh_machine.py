"""The environments depend only on the lock files, not on later releases.

An index beside the usual one offers a newer release, of no use, of every package that a lock
file lists. The pip is an old one: it does not hold a pin such as ``coverage==7.17.3`` against
a requirement with an extra, ``coverage[toml]``, so it takes newer releases wherever it is let
look for what a package requires.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
OLDEST_PIP = Path(__file__).with_name("oldest_pip.txt")
PIN = re.compile(r"^([a-z0-9.-]+)==([^\s;]+)", re.MULTILINE)

pytestmark = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="pip 22.3 does not run on Python 3.12 and newer"
)


def pins(lock_file: Path) -> dict[str, str]:
    return dict(PIN.findall(lock_file.read_text()))


def publish(index: Path, name: str, version: str) -> None:
    """Add a release to a simple index (PEP 503), with metadata only."""
    distribution = f"{name.replace('-', '_').replace('.', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: toml\n"
    files = {
        "METADATA": metadata,
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{distribution}.dist-info/{file},sha256="
        f"{base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},"
        f"{len(text)}\n"
        for file, text in files.items()
    ]
    files["RECORD"] = "".join([*record, f"{distribution}.dist-info/RECORD,,\n"])
    page = index / name
    page.mkdir(parents=True)
    wheel = f"{distribution}-py3-none-any.whl"
    with ZipFile(page / wheel, "w") as archive:
        for file, text in files.items():
            archive.writestr(f"{distribution}.dist-info/{file}", text)
    (page / "index.html").write_text(f'<!DOCTYPE html><a href="{wheel}">{wheel}</a>')


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index in which each locked package has a release that is a little newer."""
    folder = tmp_path_factory.mktemp("index")
    newest: dict[str, str] = {}
    for lock_file in sorted((ROOT / "requirements").glob("*.txt")):
        newest |= {name: f"{version}.1" for name, version in pins(lock_file).items()}
    # The lowest versions do not have the latest release.
    newest |= {
        name: f"{version}.1" for name, version in pins(ROOT / "requirements/dev.txt").items()
    }
    for name, version in newest.items():
        publish(folder, name, version)
    return folder


@pytest.fixture(scope="module")
def old_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with only pip 22.3."""
    folder = tmp_path_factory.mktemp("old") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--require-hashes", "-r", str(OLDEST_PIP)]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    if installed.returncode and "TENANTSHIELD_REQUIRE_SERVERS" not in os.environ:
        pytest.skip(f"pip 22.3 is not to be had here: {installed.stderr.strip()}")
    assert installed.returncode == 0, installed.stderr
    return folder


@pytest.fixture
def checkout(tmp_path: Path, old_environment: Path) -> Path:
    """A checkout whose environment was created before, with an old pip."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for file in ("Makefile", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, checkout)
    for folder in ("requirements", "tenantshield_mw", "adapters"):
        shutil.copytree(
            ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copytree(old_environment, checkout / ".venv", symlinks=True)
    # The whole lock file of the tests takes a minute; this one has what old pips stumble over.
    shutil.copy(checkout / "requirements/core.txt", checkout / "requirements/test.txt")
    return checkout


def make(
    target: str, checkout: Path, index: Path, *variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", target, "COMPILE=--no-compile", *variables],
        cwd=checkout,
        env={**os.environ, "PIP_EXTRA_INDEX_URL": index.as_uri()},
        capture_output=True,
        text=True,
        check=False,
    )


def installed(environment: Path) -> dict[str, str]:
    """Return the version of each package, by name."""
    program = (
        "import json; from importlib.metadata import distributions as all;"
        "print(json.dumps({d.metadata['Name']: d.version for d in all()}))"
    )
    command = [str(environment / "bin/python"), "-I", "-c", program]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found.items()}


def of_this_platform(locked: dict[str, str], found: Iterable[str]) -> dict[str, str]:
    return {name: version for name, version in locked.items() if name in set(found)}


def test_the_environment_of_the_tests_gets_the_locked_releases(checkout: Path, index: Path) -> None:
    made = make(".venv/.test", checkout, index)
    assert made.returncode == 0, made.stderr
    found = installed(checkout / ".venv")
    assert found.pop("pip") == "22.3"
    assert found.pop("tenantshield-mw")
    locked = pins(checkout / "requirements/core.txt")
    assert len(found) > 20
    assert found == of_this_platform(locked, found)


def test_the_environment_of_the_demo_gets_the_locked_releases(checkout: Path, index: Path) -> None:
    python = f"PYTHON={checkout / '.venv/bin/python'}"
    made = make("build/venv-demo/.done", checkout, index, python)
    assert made.returncode == 0, made.stderr
    found = installed(checkout / "build/venv-demo")
    assert found.pop("tenantshield-mw")
    locked = pins(checkout / "requirements/demo.txt")
    assert found == of_this_platform(locked, found)
    assert len(found) == len(locked) <= 20


def test_a_set_up_that_looks_for_what_packages_require_would_not(
    checkout: Path, index: Path
) -> None:
    makefile = checkout / "Makefile"
    changed = makefile.read_text().replace("--no-deps --only-binary", "--only-binary")
    assert changed != makefile.read_text()
    makefile.write_text(changed)
    made = make(".venv/.test", checkout, index)
    assert made.returncode != 0
    assert "coverage[toml]" in made.stderr


def commands(text: str) -> Iterator[str]:
    """Return each command that installs a lock file."""
    joined = text.replace("\\\n", " ")
    return (line for line in joined.splitlines() if "--require-hashes" in line)


@pytest.mark.parametrize("file", ["Makefile", "noxfile.py"])
def test_each_installation_of_a_lock_file_is_of_that_alone(file: str) -> None:
    text = (ROOT / file).read_text()
    found = list(commands(text))
    assert found
    for command in found:
        assert "--no-deps" in command
        assert ":all:" in command
