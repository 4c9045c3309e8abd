"""The meaning, severity and fix of each kind of finding that PostgreSQL can have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .kinds import Kind, Nature

__all__ = ["POSTGRESQL"]

POSTGRESQL: Final[Mapping[Kind, Nature]] = {
    "policies-missing": Nature(
        "error",
        "PostgreSQL",
        "The table has no row-level security: everything that reaches the database without "
        "SQLAlchemy sees all rows.",
        "`rls.create_policies`. Ignore the kind if you use only the guard.",
    ),
    "policies-not-enabled": Nature(
        "error",
        "PostgreSQL",
        "The table has policies, but row-level security is disabled.",
        "`ALTER TABLE ... ENABLE ROW LEVEL SECURITY`.",
    ),
    "policies-not-forced": Nature(
        "error",
        "PostgreSQL",
        "The policies do not apply to the table's owner.",
        "`ALTER TABLE ... FORCE ROW LEVEL SECURITY`.",
    ),
    "policy-missing": Nature(
        "error",
        "PostgreSQL",
        "A policy, or a function that one calls, is missing.",
        "`rls.create_policies`.",
    ),
    "policy-outdated": Nature(
        "error",
        "PostgreSQL",
        "A policy, or a function that one calls, does not match the models: a declaration has "
        "changed, or the policy was altered.",
        "`rls.create_policies`.",
    ),
    "policy-unexpected": Nature(
        "warning",
        "PostgreSQL",
        "A policy of this package that is no longer required.",
        "`DROP POLICY`.",
    ),
    "policy-foreign": Nature(
        "info",
        "PostgreSQL",
        "A policy that this package did not create. A permissive one cannot expose other "
        "tenants' rows while this package's restrictive policy is in place. Where tenants are "
        "signed, a permissive one is `policy-unexpected`: it checks no signature.",
        "`DROP POLICY`, unless it is intended.",
    ),
    "partition-without-policies": Nature(
        "error",
        "PostgreSQL",
        "A partition or an inheriting table has no policy of its own, and the role may use it: "
        "queried directly, it shows all rows.",
        "`REVOKE` the role's privileges on it, or enable row-level security on it.",
    ),
    "role-superuser": Nature(
        "error",
        "PostgreSQL",
        "The role is a superuser: no policy applies to it.",
        "Use a separate role for the application; name it with `--role` if it has one.",
    ),
    "role-bypasses": Nature(
        "error",
        "PostgreSQL",
        "The role has `BYPASSRLS`: no policy applies to it.",
        "`ALTER ROLE ... NOBYPASSRLS`.",
    ),
    "role-replicates": Nature(
        "error",
        "PostgreSQL",
        "The role has `REPLICATION`: it may read the changes of all tables, to which no "
        "policy applies.",
        "`ALTER ROLE ... NOREPLICATION`.",
    ),
    "role-creates-roles": Nature(
        "warning",
        "PostgreSQL",
        "The role has `CREATEROLE`: it may grant itself roles that it administers; before "
        "PostgreSQL 16, each that is no superuser, such as the owner of the tables.",
        "`ALTER ROLE ... NOCREATEROLE`.",
    ),
    "role-owns-table": Nature(
        "warning",
        "PostgreSQL",
        "The role owns a table and may disable its policies.",
        "Change the owner to a role that only migrations use.",
    ),
    "role-owns-schema": Nature(
        "warning",
        "PostgreSQL",
        "The role owns a schema that holds tenants' rows or what checks signatures, and "
        "may drop and replace all that is in it.",
        "Change the owner of the schema, or of the database, to a role that only migrations use.",
    ),
    "role-owns-function": Nature(
        "warning",
        "PostgreSQL",
        "The role owns a function that policies call, and may alter or drop it.",
        "`ALTER FUNCTION ... OWNER TO` a role that only migrations use.",
    ),
    "role-can-become": Nature(
        "warning",
        "PostgreSQL",
        "The role may switch to a role that bypasses the policies, owns what keeps tenants apart, "
        "or may replicate, grant roles, or read the server's files or all tables' statistics. So "
        "may anyone who can inject SQL.",
        "`REVOKE` it; ignore it for the `system_role` of `enforce`.",
    ),
    "role-truncates": Nature(
        "error",
        "PostgreSQL",
        "The role may `TRUNCATE`, which policies do not prevent: that deletes all tenants' rows.",
        "`REVOKE TRUNCATE`.",
    ),
    "role-references": Nature(
        "warning",
        "PostgreSQL",
        "The role may create foreign keys to the table: their check sees all tenants' rows and "
        "so reveals which exist.",
        "`REVOKE REFERENCES`.",
    ),
    "role-triggers": Nature(
        "warning",
        "PostgreSQL",
        "The role may create triggers on the table, which run with the rights of other roles "
        "when these write.",
        "`REVOKE TRIGGER`.",
    ),
    "role-creates": Nature(
        "warning",
        "PostgreSQL",
        "The role may create tables and functions in a schema that holds tenants' rows or what "
        "checks signatures: they have no policies, and may shadow existing names.",
        "`REVOKE CREATE ON SCHEMA`.",
    ),
    "view-past-policies": Nature(
        "error",
        "PostgreSQL",
        "A view reads the table with the rights of its owner, to whom no policy applies.",
        "`ALTER VIEW ... SET (security_invoker = true)` (since PostgreSQL 15), or another owner.",
    ),
    "materialized-view": Nature(
        "error",
        "PostgreSQL",
        "A materialized view stores a copy of the table's rows and cannot have policies.",
        "`REVOKE` the role's privileges on it, or use a view.",
    ),
    "security-definer": Nature(
        "error",
        "PostgreSQL",
        "A `SECURITY DEFINER` function runs with the rights of its owner, to whom no policy "
        "applies, or who owns the keys with which tenants are signed.",
        "`ALTER FUNCTION ... SECURITY INVOKER`, or another owner, or `REVOKE EXECUTE`.",
    ),
    "rule-past-policies": Nature(
        "error",
        "PostgreSQL",
        "A rule reaches the table when something else is written, with the rights of an "
        "owner to whom no policy applies.",
        "`DROP RULE`, or another owner.",
    ),
    "table-rule": Nature(
        "warning",
        "PostgreSQL",
        "The table has a rule, which changes what writing its rows does, with the rights "
        "of the table's owner. What it does is not examined.",
        "`DROP RULE`, or a trigger; ignore it if it was reviewed.",
    ),
    "setting-default": Nature(
        "error",
        "PostgreSQL",
        "A tenant is set for every connection of a role or a database: connections that do not "
        "use `enforce` run as that tenant.",
        "`ALTER ROLE ... RESET`, or `ALTER DATABASE ... RESET`.",
    ),
    "tenants-unsigned": Nature(
        "info",
        "PostgreSQL",
        "The policies believe whatever tenant a transaction names: they stop mistakes, but whoever "
        "can run arbitrary SQL as the role can name another tenant.",
        "`rls.configure(..., signed=True)` and `enforce(..., key=...)`.",
    ),
    "key-readable": Nature(
        "error",
        "PostgreSQL",
        "The role may read or change the keys with which tenants are signed, itself or through a "
        "view, a rule, a trigger or inheritance, and can sign any tenant.",
        "`REVOKE` its privileges, and store other keys.",
    ),
    "role-creates-temporary": Nature(
        "warning",
        "PostgreSQL",
        "Tenants are signed, but the role may create temporary tables and views. Whoever can run "
        "arbitrary SQL can leave one in a pooled connection, in the place of a table, and see what "
        "the next tenant reads.",
        "`REVOKE TEMP ON DATABASE ... FROM PUBLIC`.",
    ),
    "extension-takes-sql": Nature(
        "warning",
        "PostgreSQL",
        "The role may call functions of an extension that take SQL, the name of a table or a "
        "file as a string: the guard cannot see what they read.",
        "`DROP EXTENSION`, or `REVOKE EXECUTE` on its functions.",
    ),
}
"""The kinds of findings of PostgreSQL alone."""
