"""Checks the attributes and privileges of the application's role on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..rls.functions import SETTINGS
from ..rls.sql import quoted, table_name
from .findings import Finding
from .privileges import Relation, Role, Server

__all__ = ["check_role", "check_settings"]

_SERVER_FILES = frozenset(
    {"pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"}
)


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
    owners = {table.owner for _, table in tables}
    for other in sorted(server.roles.values(), key=lambda each: each.name):
        if other.can_be_taken and other.oid != role.oid:
            yield from _check_membership(role, other, owns=other.oid in owners)
    for label, table in tables:
        yield from _check_table(role, label, table)
    for schema in sorted({table.schema for _, table in tables} & server.creates):
        yield Finding(
            "role-creates",
            None,
            f"{role.name} may create tables and functions in the schema {schema}, which holds "
            "tenants' rows: they have no policies, and may shadow existing names.",
            f"REVOKE CREATE ON SCHEMA {quoted(schema)} FROM {quoted(role.name)}, PUBLIC;",
            object=schema,
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
    elif role.bypasses:
        yield Finding(
            "role-bypasses",
            None,
            f"{role.name} has BYPASSRLS: no policy applies to it.",
            f"ALTER ROLE {quoted(role.name)} NOBYPASSRLS;",
            object=role.name,
        )


def _check_membership(role: Role, other: Role, *, owns: bool) -> Iterator[Finding]:
    if other.is_superuser:
        why = "is a superuser"
    elif other.bypasses:
        why = "has BYPASSRLS"
    elif owns:
        why = "owns tables and may disable their policies"
    elif other.name in _SERVER_FILES:
        why = "may access the server's files, which bypasses all policies"
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
