"""What each kind of finding means, how severe it is, and how to fix it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .kinds import Kind, Nature

__all__ = ["KINDS"]

KINDS: Final[Mapping[Kind, Nature]] = {
    # -- in the models
    "undeclared": Nature(
        "error",
        "models",
        "A table is neither tenant-aware, nor tied to a table that is, nor shared: the guard "
        "leaves it alone.",
        "Mark it with `@tenant_aware` or `@shared_across_tenants`; `require_declared(Base)` "
        "demands it of every new table.",
    ),
    "tenant-nullable": Nature(
        "warning",
        "models",
        "The tenant column may be `NULL`. Such a row belongs to nobody, and a composite foreign "
        "key that is `NULL` in part is not checked.",
        "`nullable=False`.",
    ),
    "tenant-not-indexed": Nature(
        "warning",
        "models",
        "No primary key, unique constraint or index begins with the tenant column: each "
        "statement reads all tenants' rows to find one's.",
        "`index=True`, or a composite index that begins with it.",
    ),
    "tenant-default": Nature(
        "warning",
        "models",
        "The tenant column has a default: a row that is written past the guard, or in a system "
        "scope, silently becomes that tenant's.",
        "Remove the default.",
    ),
    "tenant-type": Nature(
        "warning",
        "models",
        "The database could not compare the tenant column with the tenant's identifier as it "
        "is, so that the table cannot have policies.",
        "A plain `String`, `Integer` or `Uuid`.",
    ),
    "tenant-types-differ": Nature(
        "warning",
        "models",
        "The tenant column is of another type than in the other tables: no identifier fits "
        "both, or only by a conversion, and no foreign key can have both in it.",
        "The same type everywhere.",
    ),
    "unique-without-tenant": Nature(
        "warning",
        "models",
        "A unique constraint or index without the tenant: one tenant's value keeps the others "
        "from using it, and the error tells them that somebody has it. Left out is what cannot "
        "collide: values that the program makes (a `Uuid` or key with a default), and what "
        "includes a foreign key to the tenant's own row.",
        "Put the tenant column first in it.",
    ),
    "primary-key-without-tenant": Nature(
        "warning",
        "models",
        "A primary key that users choose (no surrogate: neither generated, nor a `Uuid`, nor "
        "with a default) and that does not have the tenant in it; as with a unique constraint.",
        "Put the tenant column first in it, or use a surrogate.",
    ),
    "references-unchecked": Nature(
        "warning",
        "models",
        "`check_references=False`, and a foreign key to a tenant-aware table without the tenant "
        "in it: nothing keeps it from pointing at another tenant's row.",
        "`tenant_foreign_key`, or leave `check_references` out.",
    ),
    "reference-without-tenant": Nature(
        "info",
        "models",
        "A foreign key between tenant-aware tables without the tenant in it. The guard looks up "
        "what it points at, which takes a query; the database itself would not refuse it.",
        "`tenant_foreign_key`.",
    ),
    "tie-nullable": Nature(
        "warning",
        "models",
        "The foreign key through which a row belongs to its tenant may be `NULL`. Such a row "
        "belongs to nobody.",
        "`nullable=False`.",
    ),
    "shared-reference": Nature(
        "info",
        "models",
        "A shared table refers to a tenant-aware one: everybody sees the identifiers of that "
        "tenant's rows.",
        "Make it tenant-aware, unless that is what it is for.",
    ),
    "shared-with-tenant-column": Nature(
        "info",
        "models",
        "A shared table has a column of the name that tenant columns have elsewhere.",
        "Make it tenant-aware, unless it is what tenants are looked up in.",
    ),
    "shared-cascades": Nature(
        "warning",
        "models",
        "A foreign key to a shared or undeclared table with `ON DELETE CASCADE`, `SET NULL` or "
        "the like (or `ON UPDATE`): when such a row goes, or its key changes, the database "
        "deletes or changes the rows of all tenants that refer to it.",
        "Leave the action out, and the database refuses it instead; ignore the kind where only "
        "code in a system scope deletes such rows.",
    ),
    "exclusion-without-tenant": Nature(
        "warning",
        "models",
        "A PostgreSQL exclusion constraint does not compare the tenant for equality: one tenant's "
        "row keeps the others from writing theirs, and the error prints its values.",
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
        "Leave the option out, or put the tenant column into the constraint.",
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
        "The foreign key that ties a row to its tenant has another collation than the key it "
        "refers to: two values can be equal in one and different in the other.",
        "The same `collation` on both columns.",
    ),
    # -- in any database
    "table-missing": Nature(
        "error",
        "any database",
        "A tenant-aware or tied table of the models is not in the database: either it is the "
        "wrong one, or the migrations were not run.",
        "Run the migrations, or look at the URL.",
    ),
    "table-unknown": Nature(
        "warning",
        "any database",
        "A table has a column of the name that tenant columns have, and the models do not know "
        "it: neither the guard nor a policy covers it.",
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
        "The tenant column may be `NULL` in the database, and not in the models.",
        "`ALTER TABLE ... SET NOT NULL`, after giving the rows that have none to somebody.",
    ),
    "database-tenant-default": Nature(
        "warning",
        "any database",
        "The tenant column has a default in the database, and not in the models.",
        "`ALTER TABLE ... DROP DEFAULT`.",
    ),
    "database-tenant-not-indexed": Nature(
        "warning",
        "any database",
        "No index in the database begins with the tenant column, and in the models one does.",
        "`CREATE INDEX`.",
    ),
    "database-unique-without-tenant": Nature(
        "warning",
        "any database",
        "A unique constraint or index in the database without the tenant, which the models do "
        "not have.",
        "Drop it, or put the tenant column first in it.",
    ),
    "database-unique-missing": Nature(
        "warning",
        "any database",
        "A unique constraint or index of the models with the tenant in it is not in the database.",
        "Add it.",
    ),
    "database-foreign-key-missing": Nature(
        "error",
        "any database",
        "A foreign key of the models to a tenant-aware table is not in the database. Where it "
        "has the tenant in it, the guard relies on the database to refuse what crosses.",
        "Add it.",
    ),
    "database-foreign-key-unknown": Nature(
        "warning",
        "any database",
        "A foreign key in the database to a tenant-aware table without the tenant in it, which "
        "the models do not have: the guard does not look it up.",
        "Put it into the models, or drop it.",
    ),
    # -- in MariaDB and MySQL
    "sql-mode-not-strict": Nature(
        "error",
        "MariaDB and MySQL",
        "`sql_mode` is not strict: a tenant identifier that is too long for its column is cut "
        "silently, and the row becomes another tenant's.",
        "Add `STRICT_TRANS_TABLES` or `STRICT_ALL_TABLES` to `sql_mode`.",
    ),
    # -- in PostgreSQL
    "policies-missing": Nature(
        "error",
        "PostgreSQL",
        "The table has no row-level security at all: whatever reaches the database past "
        "SQLAlchemy sees all rows.",
        "`rls.create_policies`. Ignore the kind where only the guard is wanted.",
    ),
    "policies-not-enabled": Nature(
        "error",
        "PostgreSQL",
        "The table has policies, and they are switched off.",
        "`ALTER TABLE ... ENABLE ROW LEVEL SECURITY`.",
    ),
    "policies-not-forced": Nature(
        "error",
        "PostgreSQL",
        "The policies do not hold for the table's owner.",
        "`ALTER TABLE ... FORCE ROW LEVEL SECURITY`.",
    ),
    "policy-missing": Nature(
        "error",
        "PostgreSQL",
        "One of the policies, or a function that one calls, is not there.",
        "`rls.create_policies`.",
    ),
    "policy-outdated": Nature(
        "error",
        "PostgreSQL",
        "A policy, or a function that one calls, is not what the models want: a declaration has "
        "changed since, or somebody has altered it.",
        "`rls.create_policies`.",
    ),
    "policy-unexpected": Nature(
        "warning",
        "PostgreSQL",
        "A policy of this package that nothing asks for any more.",
        "`DROP POLICY`.",
    ),
    "policy-foreign": Nature(
        "info",
        "PostgreSQL",
        "A policy of somebody else's. A permissive one cannot let other tenants' rows through "
        "as long as this package's restrictive one holds.",
        "`DROP POLICY`, unless it is wanted.",
    ),
    "partition-without-policies": Nature(
        "error",
        "PostgreSQL",
        "A partition, or a table that inherits, has no policy of its own, and the role may use "
        "it: named itself, it shows all rows.",
        "`REVOKE` what the role may do to it, or give it the policies.",
    ),
    "role-superuser": Nature(
        "error",
        "PostgreSQL",
        "The role is a superuser: no policy holds for it.",
        "A role of the application's own; `--role` if it has one.",
    ),
    "role-bypasses": Nature(
        "error",
        "PostgreSQL",
        "The role has `BYPASSRLS`: no policy holds for it.",
        "`ALTER ROLE ... NOBYPASSRLS`.",
    ),
    "role-owns-table": Nature(
        "warning",
        "PostgreSQL",
        "The role owns a table, and so may switch its policies off.",
        "Another owner, for whom only migrations log in.",
    ),
    "role-can-become": Nature(
        "warning",
        "PostgreSQL",
        "The role may take on one for whom the policies do not hold, or that owns tables, or "
        "that may read the server's files. Who gets SQL into the application may then, too.",
        "`REVOKE` it; ignore it for the `system_role` of `enforce`.",
    ),
    "role-truncates": Nature(
        "error",
        "PostgreSQL",
        "The role may `TRUNCATE`: no policy holds for that, and it deletes all tenants' rows.",
        "`REVOKE TRUNCATE`.",
    ),
    "role-references": Nature(
        "warning",
        "PostgreSQL",
        "The role may make foreign keys to the table: their check sees all tenants' rows, and "
        "so tells which there are.",
        "`REVOKE REFERENCES`.",
    ),
    "role-triggers": Nature(
        "warning",
        "PostgreSQL",
        "The role may put triggers on the table, which then run when others write.",
        "`REVOKE TRIGGER`.",
    ),
    "role-creates": Nature(
        "warning",
        "PostgreSQL",
        "The role may create tables and functions in a schema that holds tenants' rows: ones "
        "without policies, or of the names of others.",
        "`REVOKE CREATE ON SCHEMA`.",
    ),
    "view-past-policies": Nature(
        "error",
        "PostgreSQL",
        "A view reads the table with the rights of its owner, for whom no policy holds.",
        "`ALTER VIEW ... SET (security_invoker = true)` (PostgreSQL 15), or another owner.",
    ),
    "materialized-view": Nature(
        "error",
        "PostgreSQL",
        "A materialized view keeps rows of the table, and can have no policies.",
        "`REVOKE` what the role may do to it, or use a view.",
    ),
    "security-definer": Nature(
        "error",
        "PostgreSQL",
        "A `SECURITY DEFINER` function runs with the rights of its owner, for whom no policy "
        "holds.",
        "`ALTER FUNCTION ... SECURITY INVOKER`, or another owner, or `REVOKE EXECUTE`.",
    ),
    "setting-default": Nature(
        "error",
        "PostgreSQL",
        "A tenant is set for every connection of a role or a database: what runs without a "
        "tenant in scope runs as that one.",
        "`ALTER ROLE ... RESET`, or `ALTER DATABASE ... RESET`.",
    ),
    "extension-takes-sql": Nature(
        "warning",
        "PostgreSQL",
        "The role may call functions of an extension that take SQL, the name of a table or a "
        "file as a string: the guard cannot see what they read.",
        "`DROP EXTENSION`, or `REVOKE EXECUTE` on its functions.",
    ),
}
"""Every kind of finding."""
