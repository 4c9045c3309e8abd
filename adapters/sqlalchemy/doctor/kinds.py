"""The kinds of findings by name, and the type of their descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["SEVERITIES", "Kind", "Nature", "Place", "Severity"]

Severity: TypeAlias = Literal["error", "warning", "info"]

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")
"""The severities, worst first."""

Place: TypeAlias = Literal["models", "any database", "MariaDB and MySQL", "PostgreSQL"]
"""Where a kind of finding can occur."""

Kind: TypeAlias = Literal[
    "undeclared",
    "observed",
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
    "role-replicates",
    "role-creates-roles",
    "role-owns-table",
    "role-owns-schema",
    "role-owns-function",
    "role-can-become",
    "role-truncates",
    "role-references",
    "role-triggers",
    "role-creates",
    "view-past-policies",
    "materialized-view",
    "security-definer",
    "rule-past-policies",
    "table-rule",
    "setting-default",
    "tenants-unsigned",
    "key-readable",
    "role-creates-temporary",
    "extension-takes-sql",
]


@dataclass(frozen=True, slots=True)
class Nature:
    """The description of one kind of finding.

    Attributes:
        severity: ``error`` if tenants can reach each other's rows, or a protection is
            missing; ``warning`` if a layer is weaker than it could be; ``info`` if there is
            only room for improvement.
        place: where it can occur.
        what: its meaning, in a sentence.
        remedy: the fix, in a sentence.
    """

    severity: Severity
    place: Place
    what: str
    remedy: str
