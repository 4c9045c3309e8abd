"""The type of a finding."""

from __future__ import annotations

from dataclasses import dataclass

from .kinds import Kind, Severity
from .natures import KINDS

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One weakness in the isolation of tenants.

    Attributes:
        kind: a key of :data:`KINDS`.
        table: ``schema.name`` as declared, or the name in the database; ``None`` if the
            finding concerns no table.
        reason: the problem and its possible consequence.
        fix: what to do; code or SQL to paste if possible.
        column: the column, or several separated by commas.
        object: the constraint, policy, role, view, function or schema concerned.
    """

    kind: Kind
    table: str | None
    reason: str
    fix: str
    column: str | None = None
    object: str | None = None

    @property
    def severity(self) -> Severity:
        """The severity, the same for all findings of a kind."""
        return KINDS[self.kind].severity
