"""The meaning, severity and fix of each kind of finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .kinds import Kind, Nature
from .postgresql_natures import POSTGRESQL

__all__ = ["KINDS"]

KINDS: Final[Mapping[Kind, Nature]] = {
    # -- in the models
    "undeclared": Nature(
        "error",
        "models",
        "A table is neither tenant-aware, nor tied to a table that is, nor shared: the guard "
        "ignores it.",
        "Mark it with `@tenant_aware` or `@shared_across_tenants`; `require_declared(Base)` "
        "requires this of every table.",
    ),
    "observed": Nature(
        "error",
        "models",
        "A table is observed: the guard reports what it would do, and does nothing.",
        "Leave out `observe()`, or name only other tables in it.",
    ),
    "tenant-nullable": Nature(
        "warning",
        "models",
        "The tenant column may be `NULL`. Such a row belongs to no tenant, and the database does "
        "not check a composite foreign key that is partly `NULL`.",
        "`nullable=False`; or `shared_rows=null()`, if every tenant is meant to read such rows.",
    ),
    "tenant-not-indexed": Nature(
        "warning",
        "models",
        "No primary key, unique constraint or index begins with the tenant column: each "
        "statement reads all tenants' rows to find those of one.",
        "`index=True`, or a composite index that begins with it.",
    ),
    "tenant-default": Nature(
        "warning",
        "models",
        "The tenant column has a default: a row that is written without the guard, or in a system "
        "scope without a tenant, silently goes to the default tenant.",
        "Remove the default.",
    ),
    "tenant-type": Nature(
        "warning",
        "models",
        "The database cannot compare the tenant column with the tenant's identifier, so the "
        "table cannot have policies.",
        "Use a plain `String`, `Integer` or `Uuid`.",
    ),
    "tenant-types-differ": Nature(
        "warning",
        "models",
        "The type of the tenant column differs from that in other tables: an identifier fits "
        "both only after a conversion, if at all, and no foreign key can include both columns.",
        "Use the same type everywhere.",
    ),
    "unique-without-tenant": Nature(
        "warning",
        "models",
        "A unique constraint or index without the tenant: a value that one tenant uses is "
        "unavailable to the others, and the error tells them that it exists. Constraints that "
        "cannot collide are not reported: those on generated values (a `Uuid` or key with a "
        "default, or a column that says so, see below), and those that include a foreign key to "
        "the tenant's own row.",
        "Add the tenant column as its first column.",
    ),
    "primary-key-without-tenant": Nature(
        "warning",
        "models",
        "A primary key without the tenant that is not a surrogate (neither generated, nor a "
        "`Uuid`, nor with a default, nor a column that says so, see below). The consequences are "
        "those of a unique constraint.",
        "Add the tenant column as its first column, or use a surrogate.",
    ),
    "references-unchecked": Nature(
        "warning",
        "models",
        "`check_references=False`, with a foreign key to a tenant-aware table that does not "
        "include the tenant: it may point at another tenant's row.",
        "Use `tenant_foreign_key`, or remove `check_references`.",
    ),
    "reference-without-tenant": Nature(
        "info",
        "models",
        "A foreign key between tenant-aware tables that does not include the tenant. The guard "
        "looks up the row that it points at, which costs a query; the database itself would "
        "accept another tenant's row.",
        "Use `tenant_foreign_key`.",
    ),
    "tie-nullable": Nature(
        "warning",
        "models",
        "The foreign key through which a row belongs to its tenant may be `NULL`. Such a row "
        "belongs to no tenant.",
        "`nullable=False`.",
    ),
    "shared-reference": Nature(
        "info",
        "models",
        "A shared table refers to a tenant-aware one: every tenant sees the identifiers of the "
        "rows that it refers to.",
        "Make it tenant-aware, unless this is intended.",
    ),
    "shared-with-tenant-column": Nature(
        "info",
        "models",
        "A shared table has a column with the name of a tenant column.",
        "Make it tenant-aware, unless it is the table of tenants.",
    ),
    "shared-cascades": Nature(
        "warning",
        "models",
        "A foreign key to a shared or undeclared table with `ON DELETE CASCADE`, `SET NULL` or "
        "the like (or `ON UPDATE`): when such a row is deleted, or its key changes, the database "
        "deletes or changes the rows of all tenants that refer to it.",
        "Remove the action, so that the database refuses instead; ignore the kind if only code "
        "in a system scope deletes such rows.",
    ),
    "exclusion-without-tenant": Nature(
        "warning",
        "models",
        "A PostgreSQL exclusion constraint does not compare the tenant for equality: one tenant's "
        "row can prevent the others from writing theirs, and the error shows its values.",
        "Add the tenant column with `=` to the constraint (extension `btree_gist`).",
    ),
    "inherited-by-tenant-aware": Nature(
        "error",
        "models",
        "A tenant-aware table inherits from a shared or undeclared one (`postgresql_inherits`): "
        "statements on the parent read and change the rows of all tenants.",
        "Declare the parent tenant-aware, or do not inherit from it.",
    ),
    "conflict-replaces": Nature(
        "error",
        "models",
        "A unique constraint or primary key without the tenant has "
        '`sqlite_on_conflict="REPLACE"`: an ordinary `INSERT` deletes another tenant\'s row.',
        "Remove the option, or add the tenant column to the constraint.",
    ),
    "reference-to-part-of-key": Nature(
        "error",
        "models",
        "A foreign key with a cascade refers to only a part of the parent's key. MariaDB and "
        "MySQL allow that, and the cascade then reaches other tenants' rows.",
        "Refer to the whole key, with the tenant column.",
    ),
    "tie-collations-differ": Nature(
        "warning",
        "models",
        "The foreign key that ties a row to its tenant and the key that it refers to have "
        "different collations: two values can be equal in one and different in the other.",
        "Use the same `collation` for both columns.",
    ),
    # -- in any database
    "table-missing": Nature(
        "error",
        "any database",
        "A tenant-aware or tied table of the models is not in the database: it is the wrong "
        "database, or the migrations were not run.",
        "Run the migrations, or check the URL.",
    ),
    "table-unknown": Nature(
        "warning",
        "any database",
        "A table has a column with the name of a tenant column, but is not in the models: "
        "neither the guard nor a policy covers it.",
        "Declare it, or drop it.",
    ),
    "database-tenant-missing": Nature(
        "error",
        "any database",
        "The table has no tenant column in the database.",
        "Run the migrations.",
    ),
    "database-tenant-nullable": Nature(
        "warning",
        "any database",
        "The tenant column may be `NULL` in the database, but not in the models.",
        "`ALTER TABLE ... SET NOT NULL`, after assigning a tenant to the rows without one.",
    ),
    "database-tenant-default": Nature(
        "warning",
        "any database",
        "The tenant column has a default in the database, but not in the models.",
        "`ALTER TABLE ... DROP DEFAULT`.",
    ),
    "database-tenant-not-indexed": Nature(
        "warning",
        "any database",
        "No index in the database begins with the tenant column, but one in the models does.",
        "`CREATE INDEX`.",
    ),
    "database-unique-without-tenant": Nature(
        "warning",
        "any database",
        "A unique constraint or index in the database without the tenant, which the models do "
        "not have.",
        "Drop it, or add the tenant column as its first column.",
    ),
    "database-unique-missing": Nature(
        "warning",
        "any database",
        "A unique constraint or index of the models that includes the tenant is not in the "
        "database.",
        "Add it.",
    ),
    "database-foreign-key-missing": Nature(
        "error",
        "any database",
        "A foreign key of the models to a tenant-aware table is not in the database. If it "
        "includes the tenant, the guard relies on the database to enforce it.",
        "Add it.",
    ),
    "database-foreign-key-unknown": Nature(
        "warning",
        "any database",
        "The database has a foreign key to a tenant-aware table that does not include the tenant "
        "and that the models do not have: the guard does not look it up.",
        "Add it to the models, or drop it.",
    ),
    # -- in MariaDB and MySQL
    "sql-mode-not-strict": Nature(
        "error",
        "MariaDB and MySQL",
        "`sql_mode` is not strict: a tenant identifier that is too long for its column is "
        "silently truncated, and the row becomes another tenant's.",
        "Add `STRICT_TRANS_TABLES` or `STRICT_ALL_TABLES` to `sql_mode`.",
    ),
    **POSTGRESQL,
}
"""Every kind of finding."""
