"""The tests mirror the rooms: each module has its namesake, and none is too long to read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

CHECKOUT: Final = Path(__file__).parents[1]
LONGEST: Final = 400

ROOMS: Final = {"adapters": "tests/adapters", "tenantshield_mw": "tests"}
"""The folders of the sources, and those that mirror them; ``tests/core`` has what is in none."""


def modules() -> list[Path]:
    """Return the modules of the package, from the checkout's root."""
    linked = CHECKOUT / "tenantshield_mw" / "adapters"
    return [
        path.relative_to(CHECKOUT)
        for room in ROOMS
        for path in sorted((CHECKOUT / room).rglob("*.py"))
        if path.name != "__init__.py" and not path.is_relative_to(linked)
    ]


def namesakes_of(module: Path) -> tuple[Path, Path]:
    """Return where the tests of ``module`` are: in a module, or in a folder if they are many."""
    room, *folders = module.parts[:-1]
    if room == "tenantshield_mw" and folders != ["resolvers"]:
        folders = ["core", *folders]
    mirror = CHECKOUT.joinpath(ROOMS[room], *folders)
    return mirror / f"test_{module.name}", mirror / module.stem


@pytest.mark.parametrize("module", modules(), ids=str)
def test_each_module_has_its_namesake(module: Path) -> None:
    alone, folder = namesakes_of(module)
    tests = [each for each in (alone, *folder.glob("test_*.py")) if each.is_file()]
    assert tests, f"{module} has no {alone.relative_to(CHECKOUT)}"
    assert any("def test_" in each.read_text() for each in tests)


@pytest.mark.parametrize("room", ["adapters", "resolvers"])
def test_each_folder_of_tests_is_a_package(room: str) -> None:
    # Otherwise pytest would import two modules of one name as one.
    for each in (CHECKOUT / "tests" / room).rglob("test_*.py"):
        assert (each.parent / "__init__.py").is_file()


def test_no_module_of_tests_is_too_long() -> None:
    lengths = {
        str(path.relative_to(CHECKOUT)): len(path.read_text().splitlines())
        for path in sorted((CHECKOUT / "tests").rglob("*.py"))
    }
    assert len(lengths) > len(modules())
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
