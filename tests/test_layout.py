"""The tests mirror the rooms: each module has its namesake, and none is too long to read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

CHECKOUT: Final = Path(__file__).parents[1]
LONGEST: Final = 400

ROOMS: Final = {"adapters": "tests/adapters", "tenantshield_mw": "tests"}
"""The folders of the sources, and those that mirror them."""


def modules() -> list[Path]:
    """Return the modules of the package, from the checkout's root."""
    return [
        path.relative_to(CHECKOUT)
        for room in ROOMS
        for path in sorted((CHECKOUT / room).rglob("*.py"))
        # tenantshield_mw/adapters is a link to adapters in some checkouts.
        if path.name != "__init__.py"
        and not path.is_relative_to(CHECKOUT / "tenantshield_mw/adapters")
    ]


def namesake_of(module: Path) -> Path:
    """Return the tests of ``module``."""
    room, *folders = module.parts[:-1]
    # The modules that are in no folder of the core have one in the tests.
    if room == "tenantshield_mw" and not folders:
        folders = ["core"]
    return Path(ROOMS[room], *folders, f"test_{module.name}")


@pytest.mark.parametrize("module", modules(), ids=str)
def test_each_module_has_its_namesake(module: Path) -> None:
    tests = CHECKOUT / namesake_of(module)
    assert tests.is_file(), f"{module} has no {namesake_of(module)}"
    assert "def test_" in tests.read_text()


def test_no_module_is_too_long() -> None:
    lengths = {
        str(path.relative_to(CHECKOUT)): len(path.read_text().splitlines())
        for folder in ("adapters", "tenantshield_mw", "tests", "benchmarks", "examples")
        for path in sorted((CHECKOUT / folder).rglob("*.py"))
    }
    assert lengths
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
