"""The packages' files are in the wheel, under their import names."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from email import message_from_bytes
from email.message import Message
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
INSTALLED_AS = {"tenantshield_mw": "tenantshield_mw", "adapters": "tenantshield_mw/adapters"}


def source_files() -> set[str]:
    """Return the path in the wheel of each file in the packages' folders."""
    return {
        str(PurePosixPath(installed_as, file.relative_to(ROOT / folder).as_posix()))
        for folder, installed_as in INSTALLED_AS.items()
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    for folder in INSTALLED_AS:
        shutil.copytree(
            ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--no-index", "--wheel-dir", "out", "."]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True)
    (built,) = (checkout / "out").glob("*.whl")
    return ZipFile(built)


@pytest.fixture(scope="module")
def metadata(wheel: ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: ZipFile) -> None:
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert shipped == source_files()


def test_the_wheel_says_that_it_is_typed(wheel: ZipFile) -> None:
    assert "tenantshield_mw/py.typed" in wheel.namelist()


def test_the_wheel_ships_no_top_level_name_of_somebody_else(wheel: ZipFile) -> None:
    top_level = {name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" not in name}
    assert top_level == {"tenantshield_mw"}


def test_every_folder_of_modules_is_a_listed_package() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        ".".join(PurePosixPath(name).parent.parts)
        for name in source_files()
        if name.endswith(".py")
    }
    assert sorted(setuptools["packages"]) == sorted(folders)


def test_asgiref_is_the_only_hard_dependency(metadata: Message) -> None:
    required = metadata.get_all("Requires-Dist") or []
    assert [line for line in required if "extra ==" not in line] == ["asgiref<4,>=3.8"]


def test_the_extras_are_the_documented_ones(metadata: Message) -> None:
    extras = metadata.get_all("Provides-Extra") or []
    assert sorted(extras) == [
        "alembic",
        "celery",
        "dramatiq",
        "flask",
        "jwt",
        "litestar",
        "opentelemetry",
        "rq",
        "signed",
        "sqlalchemy",
        "starlette",
        "taskiq",
    ]


def test_the_licence_is_in_the_wheel(wheel: ZipFile, metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    (licence,) = (name for name in wheel.namelist() if name.endswith("/licenses/LICENSE"))
    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()
