"""A mutant of the guard, and the tests that must fail for it.

A mutant replaces a text that occurs exactly once in the folders ``running.MUTATED``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["TESTS", "Mutant", "leak", "legitimate"]


@dataclass(frozen=True)
class Mutant:
    """A mutant of the guard.

    Attributes:
        name: its name on the command line.
        meaning: the guard's wrong behaviour.
        old: the text to replace.
        new: its replacement.
        targets: the tests for pytest, of which one must fail.
        below: the first release of SQLAlchemy on which the text is never reached, if any.
    """

    name: str
    meaning: str
    old: str
    new: str
    targets: tuple[str, ...]
    below: str = ""


TESTS: Final = "tests/adapters/sqlalchemy"


def leak(way: str) -> str:
    """Return the test of an attack from ``tests/leaks``."""
    test = "test_a_way_to_another_tenants_rows_is_confined_or_refused"
    return f"tests/leaks/test_leaks.py::{test}[{way} | sqlite | sync]"


def legitimate(operation: str) -> str:
    """Return the test of a legitimate operation from ``tests/leaks``."""
    test = "test_a_legitimate_operation_succeeds_with_the_right_result"
    return f"tests/leaks/test_leaks.py::{test}[{operation} | sqlite | sync]"
