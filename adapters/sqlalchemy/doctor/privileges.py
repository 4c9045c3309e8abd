"""Reads roles, privileges and dependencies from PostgreSQL's catalog.

The statements run on the driver's own cursor. They read only the catalog, so the guard need
not search them for table names.

https://www.postgresql.org/docs/current/catalogs.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.engine import Connection

from ..errors import ConfigurationError
from ..rls.catalog import is_named

__all__ = ["DefinerFunction", "Relation", "Role", "Server", "read_server"]


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the server.

    Attributes:
        can_be_taken: whether the examined role is a member of it.
    """

    oid: int
    name: str
    is_superuser: bool
    bypasses: bool
    can_be_taken: bool

    @property
    def is_exempt(self) -> bool:
        """Whether policies do not apply to it."""
        return self.is_superuser or self.bypasses


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or a view, with the privileges of the examined role.

    Attributes:
        is_visible: whether the search path finds it by its name alone.
        kind: ``r`` and ``p`` for tables, ``v`` for views, ``m`` for materialized views.
        runs_as_invoker: whether a view has ``security_invoker``.
        is_usable: whether the role may read or write it.
        policies: whether each policy is restrictive, by the policy's name.
    """

    oid: int
    schema: str
    name: str
    is_visible: bool
    kind: str
    owner: int
    is_enabled: bool
    runs_as_invoker: bool
    is_usable: bool
    truncates: bool
    references: bool
    triggers: bool
    policies: Mapping[str, bool] = field(kw_only=True)

    @property
    def label(self) -> str:
        """The name alone if the search path finds it, otherwise ``schema.name``."""
        return self.name if self.is_visible else f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class DefinerFunction:
    """A function with ``SECURITY DEFINER`` that the role may call."""

    signature: str
    owner: int


@dataclass(frozen=True, slots=True)
class Server:
    """The contents of the catalog.

    Attributes:
        role: the examined role.
        roles: all roles, by oid.
        relations: all tables and views except PostgreSQL's own, by oid.
        reads: the relations that each view reads.
        children: the partitions and inheriting tables of each table.
        functions: the functions with ``SECURITY DEFINER``.
        creates: the schemas in which the role may create objects.
        creates_temporary: whether the role may create temporary tables.
        database: the name of the database.
        settings: role, database and setting; each of the first two may be ``None``.
        extensions: the extensions with a function that the role may call.
    """

    role: Role
    roles: Mapping[int, Role]
    relations: Mapping[int, Relation]
    reads: Mapping[int, frozenset[int]]
    children: Mapping[int, frozenset[int]]
    functions: Sequence[DefinerFunction]
    creates: frozenset[str]
    creates_temporary: bool
    database: str
    settings: Sequence[tuple[str | None, str | None, str]]
    extensions: Sequence[str]

    def relation(self, schema: str | None, name: str) -> Relation | None:
        """Return the table of this name; ``None`` if it does not exist."""
        tables = (each for each in self.relations.values() if each.kind in {"r", "p"})
        return next((each for each in tables if is_named(each, schema, name)), None)


_IS_OTHERS: Final = "nspname <> 'information_schema' AND left(nspname, 3) <> 'pg_'"

_ROLE: Final = "SELECT oid::int8 FROM pg_catalog.pg_roles WHERE rolname = current_user"

_ROLE_NAMES: Final = "SELECT rolname::text, oid::int8 FROM pg_catalog.pg_roles"

_ROLES: Final = """
SELECT oid::int8, rolname::text, rolsuper, rolbypassrls,
       pg_catalog.pg_has_role({role}::oid, oid, 'MEMBER')
FROM pg_catalog.pg_roles
"""

_RELATIONS: Final = f"""
SELECT c.oid::int8, n.nspname::text, c.relname::text, pg_catalog.pg_table_is_visible(c.oid),
       c.relkind::text, c.relowner::int8, c.relrowsecurity,
       coalesce((SELECT option_value::boolean
                 FROM pg_catalog.pg_options_to_table(c.reloptions)
                 WHERE option_name = 'security_invoker'), false),
       coalesce(pg_catalog.has_any_column_privilege(
                    {{role}}::oid, c.oid, 'SELECT, INSERT, UPDATE')
                OR pg_catalog.has_table_privilege({{role}}::oid, c.oid, 'DELETE'), false),
       coalesce(pg_catalog.has_table_privilege({{role}}::oid, c.oid, 'TRUNCATE'), false),
       coalesce(pg_catalog.has_any_column_privilege(
                    {{role}}::oid, c.oid, 'REFERENCES'), false),
       coalesce(pg_catalog.has_table_privilege({{role}}::oid, c.oid, 'TRIGGER'), false)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {_IS_OTHERS}
ORDER BY n.nspname, c.relname
"""

_POLICIES: Final = "SELECT polrelid::int8, polname::text, polpermissive FROM pg_catalog.pg_policy"

_READS: Final = """
SELECT DISTINCT r.ev_class::int8, d.refobjid::int8
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass
  AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
"""

_CHILDREN: Final = "SELECT inhparent::int8, inhrelid::int8 FROM pg_catalog.pg_inherits"

# Without the functions of extensions, which their authors maintain.
_FUNCTIONS: Final = f"""
SELECT p.oid::regprocedure::text, p.proowner::int8
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosecdef AND {_IS_OTHERS}
  AND pg_catalog.has_function_privilege({{role}}::oid, p.oid, 'EXECUTE')
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
                    AND d.deptype = 'e')
ORDER BY 1
"""

_CREATES: Final = f"""
SELECT nspname::text FROM pg_catalog.pg_namespace
WHERE {_IS_OTHERS} AND pg_catalog.has_schema_privilege({{role}}::oid, oid, 'CREATE')
"""

_TEMPORARY: Final = (
    "SELECT pg_catalog.has_database_privilege({role}::oid, current_database(), 'TEMP'), "
    "current_database()::text"
)

_SETTINGS: Final = """
SELECT r.rolname::text, d.datname::text, setting
FROM pg_catalog.pg_db_role_setting s
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase,
LATERAL unnest(s.setconfig) AS setting
WHERE s.setdatabase = 0 OR d.datname = current_database()
ORDER BY 1, 2, 3
"""

_EXTENSIONS: Final = """
SELECT DISTINCT e.extname::text
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_depend d
  ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid
  AND d.classid = 'pg_catalog.pg_proc'::regclass AND d.deptype = 'e'
WHERE pg_catalog.has_function_privilege({role}::oid, d.objid, 'EXECUTE')
ORDER BY 1
"""


def read_server(connection: Connection, role: str | None = None) -> Server:
    """Read the parts of the catalog that concern ``role``.

    Args:
        connection: a connection to PostgreSQL, as any role.
        role: the application's role; the connection's own role if left out.

    Raises:
        ConfigurationError: the role does not exist.
    """
    oid = _oid_of(connection, role)

    def rows(sql: str) -> list[tuple[Any, ...]]:
        return _rows(connection, sql.format(role=oid))

    roles = {row[0]: Role(*row) for row in rows(_ROLES)}
    [(creates_temporary, database)] = rows(_TEMPORARY)
    policies: dict[int, dict[str, bool]] = {}
    for relation, name, is_permissive in rows(_POLICIES):
        policies.setdefault(relation, {})[name] = not is_permissive
    relations = {
        row[0]: Relation(*row, policies=policies.get(row[0], {})) for row in rows(_RELATIONS)
    }
    return Server(
        roles[oid],
        roles,
        relations,
        _grouped(rows(_READS)),
        _grouped(rows(_CHILDREN)),
        [DefinerFunction(*row) for row in rows(_FUNCTIONS)],
        frozenset(row[0] for row in rows(_CREATES)),
        creates_temporary,
        database,
        [(row[0], row[1], row[2]) for row in rows(_SETTINGS)],
        [row[0] for row in rows(_EXTENSIONS)],
    )


def _oid_of(connection: Connection, role: str | None) -> int:
    if role is None:
        own: int = _rows(connection, _ROLE)[0][0]
        return own
    # Compared here, because each driver has its own placeholder for parameters.
    found: int | None = dict(_rows(connection, _ROLE_NAMES)).get(role)
    if found is None:
        raise ConfigurationError(f"the database has no role {role!r}: name an existing one")
    return found


def _grouped(pairs: list[tuple[Any, ...]]) -> dict[int, frozenset[int]]:
    groups: dict[int, set[int]] = {}
    for key, value in pairs:
        groups.setdefault(key, set()).add(value)
    return {key: frozenset(values) for key, values in groups.items()}


def _rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]
    finally:
        cursor.close()
