"""Composed statements, at least 2,000 in every run, the same ones each time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.databases import DatabaseName

from .fuzzing import fuzz
from .oracle import Pair
from .strategies import Composed, copies, deletes, objects, selects, updates

ROOT = Path(__file__).parents[2]

Strategy = Callable[[DatabaseName], st.SearchStrategy[Composed]]

EXAMPLES: dict[DatabaseName, dict[str, int]] = {
    "sqlite": {"selects": 1200, "objects": 500, "updates": 300, "deletes": 300, "copies": 100},
    "postgresql": {"selects": 250, "objects": 100, "updates": 100, "deletes": 100, "copies": 50},
    "mariadb": {"selects": 250, "objects": 100, "updates": 100, "deletes": 100, "copies": 50},
}

STRATEGIES: dict[str, Strategy] = {
    "selects": selects,
    "objects": objects,
    "updates": updates,
    "deletes": deletes,
    "copies": copies,
}


def test_there_are_enough_of_them() -> None:
    assert sum(EXAMPLES["sqlite"].values()) >= 2000
    assert all(counts.keys() == STRATEGIES.keys() for counts in EXAMPLES.values())


@pytest.mark.parametrize("kind", STRATEGIES)
def test_so_they_do_with_policies_in_the_database(kind: str, policies_pair: Pair) -> None:
    examples = EXAMPLES["postgresql"][kind]
    strategy: Any = STRATEGIES[kind]("postgresql")
    assert fuzz(policies_pair, strategy, examples).compared >= examples


def test_so_they_do_with_nothing_but_policies() -> None:
    # In a process of its own, where nothing is declared to the guard.
    command = [sys.executable, "-m", "tests.fuzz", "400", "--policies", "--no-guard", "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "400 examples, " in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", STRATEGIES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_composed_statements_act_as_if_the_tenant_were_alone(
    name: DatabaseName, kind: str, pair_of: Callable[[DatabaseName], Pair]
) -> None:
    examples = EXAMPLES[name][kind]
    strategy: Any = STRATEGIES[kind](name)
    tally = fuzz(pair_of(name), strategy, examples)
    assert tally.compared >= examples
    assert tally.rejected_share < 0.1
