"""Plain values: keys of the tenant's own, of another's and of nobody's, and all else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from hypothesis import strategies as st

from tests.databases import DatabaseName

from ..choices import Choices
from .spots import Spot

__all__ = ["SHARED", "Literals"]

T = TypeVar("T")

NUMBERS: Final = (0, 1, 2, 3, 4, 5, 10, 42)
WORDS: Final = ("x", "y", "c1", "c2", "it's", "", "n%1", "g1", "b1", "b9", "A")

_OWN: Final = {"guild": 4, "artisan": 5, "commission": 4, "stage": 4}
SHARED: Final = ("province", "market", "journal")


class Literals(Choices):
    """Makes the choices of one example.

    Attributes:
        parameters: what is given to ``execute()`` beside the statement.
        collides: whether a row may get a key that another tenant's row has.
        generates: whether the database may make a key.
    """

    def __init__(
        self, draw: Callable[[st.SearchStrategy[Any]], Any], database: DatabaseName
    ) -> None:
        super().__init__(draw, database)
        self.parameters: dict[str, Any] = {}
        self.collides = False
        self.generates = False
        self._made = 0

    def weighted(self, choices: Sequence[tuple[int, T]]) -> T:
        """Pick one of several, by their weights."""
        position = self.upto(sum(weight for weight, _ in choices) - 1)
        for weight, choice in choices:
            position -= weight
            if position < 0:
                return choice
        raise AssertionError

    def one_of(self, *choices: Any) -> Any:
        """Pick one of several of different types."""
        return self.pick(choices)

    def number_of_parameter(self) -> int:
        self._made += 1
        return self._made

    # -- literals ------------------------------------------------------------------

    def literal(self, spot: Spot) -> Any:
        """Return a plain value."""
        match spot.kind:
            case "reference":
                return self._key_of(spot)
            case "key":
                return self._key(spot)
            case "tenant":
                return self.weighted([(85, "A"), (8, "B"), (4, None), (3, "a")])
            case "bench":
                return self.pick([None, 1, 2, 3, 1, 2, 9])
            case "word":
                word = self.pick(WORDS)
                if word == "b9":
                    self.collides = True
                return word
            case _:
                return self.pick(NUMBERS)

    def _key(self, spot: Spot) -> int:
        if spot.column.name == "number":
            return 20 + self.number_of_parameter()
        kind = self.weighted([(80, "fresh"), (12, "own"), (8, "other")])
        if kind == "own":
            return 101 + self.upto(2)
        if kind == "other":
            self.collides = True
            return 1 + self.upto(2)
        return 300 + self.number_of_parameter()

    def _key_of(self, spot: Spot) -> int | None:
        assert spot.parent is not None
        if spot.parent.name in SHARED:
            return self.pick([1, 2, 3, None])
        kind = self.weighted([(78, "own"), (12, "other"), (4, "missing"), (6, "none")])
        most = _OWN[spot.parent.name]
        if kind == "own":
            return 101 + self.upto(most - 1)
        if kind == "other":
            return 1 + self.upto(most - 1)
        return 999 if kind == "missing" or not spot.column.nullable else None
