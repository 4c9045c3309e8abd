"""One finding."""

from __future__ import annotations

from dataclasses import dataclass

from .kinds import Kind, Severity
from .natures import KINDS

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that weakens isolation.

    Attributes:
        kind: one of :data:`KINDS`.
        table: ``schema.name`` as declared, or the name that the database has; ``None``
            for what concerns no table.
        reason: what is the matter, and what may come of it.
        fix: what to do; where that is possible, code or SQL to paste.
        column: the column, or several with commas in between.
        object: the constraint, policy, role, view, function or schema that it is about.
    """

    kind: Kind
    table: str | None
    reason: str
    fix: str
    column: str | None = None
    object: str | None = None

    @property
    def severity(self) -> Severity:
        """How bad it is; the same for all findings of a kind."""
        return KINDS[self.kind].severity
