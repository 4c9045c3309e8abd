"""A client's record of its own writes, and the contents that the database must have.

A row has a name, and a token that each write of the row replaces. No two writes have the same
token, so the token identifies the write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["Change", "Ledger", "Verdict", "compare"]

Change: TypeAlias = tuple[str, str | None]
"""The name of a row, and its new token; ``None`` if the row was deleted."""


@dataclass
class Ledger:
    """The outcomes of one client's writes.

    Attributes:
        sure: the rows that are there, with their tokens.
        possible: for every row that was ever written, what may be in the database.
        rolled_back: the tokens of writes that must not be there.
        acknowledged: the number of writes whose commit was acknowledged.
        unknown: the number of those whose commit was begun, and then the connection was
            lost or the task cancelled: they may be there or not.
    """

    sure: dict[str, str] = field(default_factory=dict)
    possible: dict[str, set[str | None]] = field(default_factory=dict)
    rolled_back: set[str] = field(default_factory=set)
    acknowledged: int = 0
    unknown: int = 0

    def acknowledge(self, changes: Iterable[Change]) -> None:
        for name, token in changes:
            self.acknowledged += 1
            self.possible[name] = {token}
            if token is None:
                self.sure.pop(name, None)
            else:
                self.sure[name] = token

    def roll_back(self, changes: Iterable[Change]) -> None:
        self.rolled_back.update(token for _, token in changes if token is not None)

    def lose_sight(self, changes: Iterable[Change]) -> None:
        for name, token in changes:
            self.unknown += 1
            # A row that did not exist before may still not exist.
            self.possible.setdefault(name, {None}).add(token)
            # The client does not change it any more.
            self.sure.pop(name, None)


@dataclass
class Verdict:
    """The differences between the stored rows and the acknowledged writes.

    Attributes:
        lost: rows that differ from the last acknowledged write.
        undead: rows from a write that was rolled back.
        unexplained: rows that no client wrote.
    """

    lost: int = 0
    undead: int = 0
    unexplained: int = 0


def compare(ledgers: Iterable[Ledger], stored: Mapping[str, str]) -> Verdict:
    """Compare the clients' ledgers with the database's rows, by name, and their tokens."""
    verdict = Verdict()
    possible: dict[str, set[str | None]] = {}
    rolled_back: set[str] = set()
    for ledger in ledgers:
        possible.update(ledger.possible)
        rolled_back |= ledger.rolled_back
    for name, accepted in possible.items():
        found = stored.get(name)
        if found in accepted:
            continue
        if found in rolled_back:
            verdict.undead += 1
        else:
            verdict.lost += 1
    for name in stored.keys() - possible.keys():
        if stored[name] in rolled_back:
            verdict.undead += 1
        else:
            verdict.unexplained += 1
    return verdict
