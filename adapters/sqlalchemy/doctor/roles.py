"""Checks the attributes and privileges of the application's role on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ..rls.functions import SETTINGS
from ..rls.sql import quoted, table_name
from ..rls.verifier import KEYS, SCHEMA
from .findings import Finding
from .privileges import Relation, Role, Schema, Server

__all__ = ["check_role", "check_settings"]

_FILES: Final = "may access the server's files, which bypasses all policies"
_POWERS: Final = {
    "pg_execute_server_program": _FILES,
    "pg_read_server_files": _FILES,
    "pg_write_server_files": _FILES,
    "pg_read_all_data": "may read the statistics of all tables, which contain values of their rows",
}
"""PostgreSQL's own roles that lead past policies, each with how."""


def check_role(server: Server, tables: Iterable[tuple[str, Relation]]) -> Iterator[Finding]:
    """Yield the reasons why policies do not apply to the role, or why it could remove them.

    Args:
        server: the contents of the catalog.
        tables: the tenant-aware and tied tables, each with its name in the models.
    """
    tables = list(tables)
    role = server.role
    yield from _check_exemption(role)
    if role.is_superuser:
        # A superuser may do everything that the other checks look for.
        return
    owned = _owned(server, tables)
    for other in sorted(server.roles.values(), key=lambda each: each.name):
        if other.can_be_taken and other.oid != role.oid:
            yield from _check_membership(role, other, owned.get(other.oid))
    for label, table in tables:
        yield from _check_table(role, label, table)
    for signature, owner in server.policy_functions.items():
        if owner == role.oid:
            yield _owned_function(role, signature)
    for name, holds in _schemas(server, tables).items():
        yield from _check_schema(server, server.schemas[name], holds)


def _schemas(server: Server, tables: Iterable[tuple[str, Relation]]) -> dict[str, str]:
    """Return the schemas whose contents keep tenants apart, each with what it holds."""
    holding = dict.fromkeys(sorted({table.schema for _, table in tables}), "tenants' rows")
    if SCHEMA in server.schemas:
        holding.setdefault(SCHEMA, "what checks the signatures of tenants")
    return holding


def _owned(server: Server, tables: Iterable[tuple[str, Relation]]) -> dict[int, str]:
    """Return the owners of what keeps tenants apart, each with what it could do."""
    owned: dict[int, str] = {}
    for table in (table for _, table in tables):
        owned[table.owner] = "owns tables and may disable their policies"
    keys = server.relation(SCHEMA, KEYS)
    if keys is not None:
        owned.setdefault(keys.owner, "owns the keys with which tenants are signed")
    for name in _schemas(server, tables):
        schema = server.schemas[name]
        # Nobody is a member of the owner of the database but that role.
        if not schema.is_databases:
            owned.setdefault(schema.owner, f"owns the schema {name} and may replace what is in it")
    for owner in server.policy_functions.values():
        owned.setdefault(owner, "owns functions that the policies call")
    return owned


def _owned_function(role: Role, signature: str) -> Finding:
    return Finding(
        "role-owns-function",
        None,
        f"{role.name} owns the function {signature}, which policies call, and may alter or drop "
        "it.",
        f"ALTER FUNCTION {signature} OWNER TO ...; to a role that only migrations use",
        object=signature,
    )


def _check_schema(server: Server, schema: Schema, holds: str) -> Iterator[Finding]:
    role, name = server.role, schema.name
    if schema.owner == role.oid:
        what = "DATABASE" if schema.is_databases else "SCHEMA"
        sql_name = quoted(server.database if schema.is_databases else name)
        yield Finding(
            "role-owns-schema",
            None,
            f"{role.name} owns the schema {name}, which holds {holds}, and may drop and replace "
            "all that is in it.",
            f"ALTER {what} {sql_name} OWNER TO ...; to a role that only migrations use",
            object=name,
        )
    elif schema.creates:
        yield Finding(
            "role-creates",
            None,
            f"{role.name} may create tables and functions in the schema {name}, which holds "
            f"{holds}: they have no policies, and may shadow existing names.",
            f"REVOKE CREATE ON SCHEMA {quoted(name)} FROM {quoted(role.name)}, PUBLIC;",
            object=name,
        )


def _check_exemption(role: Role) -> Iterator[Finding]:
    if role.is_superuser:
        yield Finding(
            "role-superuser",
            None,
            f"{role.name} is a superuser: no policy applies to it.",
            "let the application log in as a separate role that owns no tables; if it already "
            "does, name that role with --role",
            object=role.name,
        )
        return
    if role.bypasses:
        yield Finding(
            "role-bypasses",
            None,
            f"{role.name} has BYPASSRLS: no policy applies to it.",
            f"ALTER ROLE {quoted(role.name)} NOBYPASSRLS;",
            object=role.name,
        )
    if role.replicates:
        yield Finding(
            "role-replicates",
            None,
            f"{role.name} has REPLICATION: it may read the changes of all tables, or copy all "
            "files, and no policy applies to that.",
            f"ALTER ROLE {quoted(role.name)} NOREPLICATION;",
            object=role.name,
        )
    if role.creates_roles:
        yield Finding(
            "role-creates-roles",
            None,
            f"{role.name} has CREATEROLE: it may grant itself roles that it administers; before "
            "PostgreSQL 16, each that is no superuser, such as the owner of the tables.",
            f"ALTER ROLE {quoted(role.name)} NOCREATEROLE;",
            object=role.name,
        )


def _check_membership(role: Role, other: Role, owns: str | None) -> Iterator[Finding]:
    if other.is_superuser:
        why = "is a superuser"
    elif other.bypasses:
        why = "has BYPASSRLS"
    elif owns is not None:
        why = owns
    elif other.replicates:
        why = "has REPLICATION and may read the changes of all tables"
    elif other.creates_roles:
        why = "has CREATEROLE and may grant itself other roles"
    elif other.name in _POWERS:
        why = _POWERS[other.name]
    else:
        return
    yield Finding(
        "role-can-become",
        None,
        f"{role.name} may switch to {other.name}, which {why}; so may anyone who can inject SQL.",
        f"REVOKE {quoted(other.name)} FROM {quoted(role.name)}; or ignore "
        f"role-can-become:{other.name} if it is the system_role of enforce()",
        object=other.name,
    )


def _check_table(role: Role, label: str, table: Relation) -> Iterator[Finding]:
    sql_name, name = table_name(table.schema, table.name), quoted(role.name)
    if table.owner == role.oid:
        yield Finding(
            "role-owns-table",
            label,
            f"{role.name} owns it and may disable its policies.",
            f"ALTER TABLE {sql_name} OWNER TO ...; to a role that only migrations use",
            object=role.name,
        )
        # An owner has every privilege.
        return
    if table.truncates:
        yield Finding(
            "role-truncates",
            label,
            f"{role.name} may TRUNCATE it, which policies do not prevent: that deletes all "
            "tenants' rows.",
            f"REVOKE TRUNCATE ON {sql_name} FROM {name}, PUBLIC;",
            object=role.name,
        )
    if table.references:
        yield Finding(
            "role-references",
            label,
            f"{role.name} may create foreign keys to it: their check sees all tenants' rows and "
            "so reveals which exist.",
            f"REVOKE REFERENCES ON {sql_name} FROM {name}, PUBLIC;",
            object=role.name,
        )
    if table.triggers:
        yield Finding(
            "role-triggers",
            label,
            f"{role.name} may create triggers on it, which run with the rights of other roles "
            "when these write.",
            f"REVOKE TRIGGER ON {sql_name} FROM {name}, PUBLIC;",
            object=role.name,
        )


def check_settings(server: Server) -> Iterator[Finding]:
    """Yield the settings that fix a tenant for all connections of a role or a database."""
    ours = {each.casefold() for each in SETTINGS.values()}
    for role, database, setting in server.settings:
        name, _, value = setting.partition("=")
        if name.casefold() not in ours or not value:
            continue
        if role is None:
            where = f"ALTER DATABASE {quoted(database or '')}"
            if database is None:
                where = "ALTER ROLE ALL"
        else:
            where = f"ALTER ROLE {quoted(role)}"
            if database is not None:
                where += f" IN DATABASE {quoted(database)}"
        yield Finding(
            "setting-default",
            None,
            f"{name} has a value for every connection of "
            f"{f'the role {role}' if role is not None else 'the database'}: connections that do "
            "not use enforce() run as that tenant.",
            f"{where} RESET {name};",
            object=role if role is not None else database,
        )
