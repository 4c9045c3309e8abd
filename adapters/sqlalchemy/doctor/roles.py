"""Checks of what the application's role is, and of what it may do, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..rls.policies import SETTINGS, quoted
from .findings import Finding
from .privileges import Relation, Role, Server

__all__ = ["check_role", "check_settings"]

_SERVER_FILES = frozenset(
    {"pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"}
)


def check_role(server: Server, tables: Iterable[tuple[str, Relation]]) -> Iterator[Finding]:
    """Yield why the policies do not hold for the role, or could be undone by it.

    Args:
        server: what the catalog says.
        tables: the tenant-aware and tied tables, each with what the models call it.
    """
    tables = list(tables)
    role = server.role
    name = quoted(role.name)
    if role.is_superuser:
        yield Finding(
            "role-superuser",
            None,
            f"{role.name} is a superuser: no policy holds for it.",
            "let the application log in as a role of its own that owns no tables; if it does, "
            "name that with --role",
            object=role.name,
        )
        # It may do all that follows.
        return
    if role.bypasses:
        yield Finding(
            "role-bypasses",
            None,
            f"{role.name} has BYPASSRLS: no policy holds for it.",
            f"ALTER ROLE {name} NOBYPASSRLS;",
            object=role.name,
        )
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
            "tenants' rows: ones without policies, or of the names of others.",
            f"REVOKE CREATE ON SCHEMA {quoted(schema)} FROM {name}, PUBLIC;",
            object=schema,
        )


def _check_membership(role: Role, other: Role, *, owns: bool) -> Iterator[Finding]:
    if other.is_superuser:
        why = "is a superuser"
    elif other.bypasses:
        why = "has BYPASSRLS"
    elif owns:
        why = "owns tables, and so may switch their policies off"
    elif other.name in _SERVER_FILES:
        why = "may reach the server's files, past all policies"
    else:
        return
    yield Finding(
        "role-can-become",
        None,
        f"{role.name} may take on {other.name}, which {why}; so may whoever gets SQL into the "
        "application.",
        f"REVOKE {quoted(other.name)} FROM {quoted(role.name)}; or ignore "
        f"role-can-become:{other.name} if it is the system_role of enforce()",
        object=other.name,
    )


def _check_table(role: Role, label: str, table: Relation) -> Iterator[Finding]:
    sql_name, name = f"{quoted(table.schema)}.{quoted(table.name)}", quoted(role.name)
    if table.owner == role.oid:
        yield Finding(
            "role-owns-table",
            label,
            f"{role.name} owns it, and so may switch its policies off.",
            f"ALTER TABLE {sql_name} OWNER TO ...; to a role as which only migrations log in",
            object=role.name,
        )
        # An owner has every privilege.
        return
    if table.truncates:
        yield Finding(
            "role-truncates",
            label,
            f"{role.name} may TRUNCATE it: no policy holds for that, and it deletes all "
            "tenants' rows.",
            f"REVOKE TRUNCATE ON {sql_name} FROM {name}, PUBLIC;",
            object=role.name,
        )
    if table.references:
        yield Finding(
            "role-references",
            label,
            f"{role.name} may make foreign keys to it: their check sees all tenants' rows, and "
            "so tells which there are.",
            f"REVOKE REFERENCES ON {sql_name} FROM {name}, PUBLIC;",
            object=role.name,
        )
    if table.triggers:
        yield Finding(
            "role-triggers",
            label,
            f"{role.name} may put triggers on it, which then run when others write.",
            f"REVOKE TRIGGER ON {sql_name} FROM {name}, PUBLIC;",
            object=role.name,
        )


def check_settings(server: Server) -> Iterator[Finding]:
    """Yield the tenants that are set for all connections of a role or a database."""
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
            f"{f'the role {role}' if role is not None else 'the database'}: what runs without a "
            "tenant in scope, past enforce(), runs as that tenant.",
            f"{where} RESET {name};",
            object=role if role is not None else database,
        )
