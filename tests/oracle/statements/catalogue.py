"""How a statement gets into the list."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import Session

from tests.databases import NAMES, DatabaseName

__all__ = ["CATALOGUE", "Statement", "cartesian", "statement"]

Function: TypeAlias = Callable[[Session], Any]

ALL: Final[tuple[DatabaseName, ...]] = NAMES


@dataclass(frozen=True, slots=True)
class Statement:
    """One entry: what it does with a session, and where.

    Attributes:
        name: the function's.
        run: returns what the statement returned.
        only: the databases that have such a form.
        writes: whether it changes rows.
    """

    name: str
    run: Function
    only: tuple[DatabaseName, ...]
    writes: bool


@contextmanager
def cartesian() -> Generator[None, None, None]:
    """Let a cartesian product pass that is meant.

    Everywhere else the warning is an error, so that one which only the guarded
    statement gives is found.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*cartesian product", SAWarning)
        yield


CATALOGUE: Final[dict[str, Statement]] = {}


def statement(
    *only: DatabaseName, writes: bool = False
) -> Callable[[Callable[[Session], Any]], Callable[[Session], Any]]:
    """Put a function into the list, for all databases or only those named."""

    def add(run: Function) -> Function:
        name = run.__name__
        assert name not in CATALOGUE, name
        CATALOGUE[name] = Statement(name, run, only or ALL, writes)
        return run

    return add
