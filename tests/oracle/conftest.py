from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from functools import cache
from typing import TypeAlias

import pytest

from tests.databases import DatabaseName, require

from .oracle import AsyncPair, Pair, async_pair, pair
from .schema import policies

PairOf: TypeAlias = Callable[[DatabaseName], Pair]
AsyncPairOf: TypeAlias = Callable[[DatabaseName], AsyncPair]


@pytest.fixture(scope="session")
def pair_of() -> Generator[PairOf, None, None]:
    """Return the compared databases of a kind, made when first asked for."""
    with ExitStack() as stack:

        @cache
        def made(name: DatabaseName) -> Pair:
            require(name)
            return stack.enter_context(pair(name))

        yield made


@pytest.fixture(scope="session")
def policies_pair() -> Generator[Pair, None, None]:
    """Yield two PostgreSQL databases, the one with everybody's rows with policies."""
    with pair("postgresql", policies=policies()) as made:
        yield made


@pytest.fixture(scope="session")
def async_pair_of() -> Generator[AsyncPairOf, None, None]:
    """Do what ``pair_of`` does, for async sessions."""
    with ExitStack() as stack:

        @cache
        def made(name: DatabaseName) -> AsyncPair:
            require(name)
            return stack.enter_context(async_pair(name))

        yield made
