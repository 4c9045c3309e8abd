"""The kinds of findings, by name, and what is stored about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["SEVERITIES", "Kind", "Nature", "Place", "Severity"]

Severity: TypeAlias = Literal["error", "warning", "info"]

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")
"""The worst first."""

Place: TypeAlias = Literal["models", "any database", "MariaDB and MySQL", "PostgreSQL"]
"""Where a kind of finding is looked for."""

Kind: TypeAlias = Literal[
    "undeclared",
    "tenant-nullable",
    "tenant-not-indexed",
    "tenant-default",
    "tenant-type",
    "tenant-types-differ",
    "unique-without-tenant",
    "primary-key-without-tenant",
    "references-unchecked",
    "reference-without-tenant",
    "tie-nullable",
    "shared-reference",
    "shared-with-tenant-column",
    "shared-cascades",
    "exclusion-without-tenant",
    "inherited-by-tenant-aware",
    "conflict-replaces",
    "reference-to-part-of-key",
    "tie-collations-differ",
    "table-missing",
    "table-unknown",
    "database-tenant-missing",
    "database-tenant-nullable",
    "database-tenant-default",
    "database-tenant-not-indexed",
    "database-unique-without-tenant",
    "database-unique-missing",
    "database-foreign-key-missing",
    "database-foreign-key-unknown",
    "sql-mode-not-strict",
    "policies-missing",
    "policies-not-enabled",
    "policies-not-forced",
    "policy-missing",
    "policy-outdated",
    "policy-unexpected",
    "policy-foreign",
    "partition-without-policies",
    "role-superuser",
    "role-bypasses",
    "role-owns-table",
    "role-can-become",
    "role-truncates",
    "role-references",
    "role-triggers",
    "role-creates",
    "view-past-policies",
    "materialized-view",
    "security-definer",
    "setting-default",
    "extension-takes-sql",
]


@dataclass(frozen=True, slots=True)
class Nature:
    """What one kind of finding is.

    Attributes:
        severity: ``error`` where rows can cross, or what is to prevent it is not in place;
            ``warning`` where a layer is weaker than it could be; ``info`` for what is
            in order and could be made better.
        place: where it is looked for.
        what: what it means, in a sentence.
        remedy: what is done about it, in a sentence.
    """

    severity: Severity
    place: Place
    what: str
    remedy: str
