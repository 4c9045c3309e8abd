"""The figures of one client, which are added up at the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields

__all__ = ["Tally"]


@dataclass
class Tally:
    """The figures of one client, or of several together.

    Attributes:
        transactions: those that were committed or rolled back as they were meant to.
        read: the rows read.
        wrong: those among them that were another's, or that an attempt to change or to
            make another's row succeeded with; by how they were come by.
        missing: rows of the client's own that it should have seen and did not.
        refused: attempts at other tenants' rows that raised, as they should.
        savepoints: those that were rolled back.
        rollbacks: the transactions that were rolled back, by an exception or without.
        cancellations: the tasks that were cancelled within a transaction.
        errors: what was raised by the faults, by type.
        unexpected: what must not be raised, by type and message.
    """

    transactions: int = 0
    read: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    savepoints: int = 0
    rollbacks: int = 0
    cancellations: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        for each in fields(self):
            ours, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(ours, Counter):
                ours.update(theirs)
            else:
                setattr(self, each.name, ours + theirs)
