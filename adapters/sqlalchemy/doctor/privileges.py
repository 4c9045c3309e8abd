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
from ..rls.functions import PREFIX
from ..rls.verifier import KEYS, SCHEMA

__all__ = ["DefinerFunction", "Relation", "Role", "Rule", "Schema", "Server", "read_server"]


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the server.

    Attributes:
        replicates: whether it may read the changes of all tables.
        creates_roles: whether it may create roles, and grant others.
        can_be_taken: whether the examined role is a member of it.
        owns_keys: whether it has the rights of the owner of the keys that sign tenants.
    """

    oid: int
    name: str
    is_superuser: bool
    bypasses: bool
    replicates: bool
    creates_roles: bool
    can_be_taken: bool
    owns_keys: bool

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
        permits: whether a permissive policy applies to the role.
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
    permits: bool = field(kw_only=True)

    @property
    def label(self) -> str:
        """The name alone if the search path finds it, otherwise ``schema.name``."""
        return self.name if self.is_visible else f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class DefinerFunction:
    """A function with ``SECURITY DEFINER`` that the role may call, itself or by a trigger."""

    signature: str
    owner: int


@dataclass(frozen=True, slots=True)
class Rule:
    """What the database does when rows of a table or view are written, as its owner.

    Attributes:
        reaches: the other relations that it names.
    """

    name: str
    reaches: frozenset[int]


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema.

    Attributes:
        owner: its owner; the database's owner, where that is what owns it.
        is_databases: whether it belongs to whoever owns the database.
        creates: whether the role may create objects in it.
    """

    name: str
    owner: int
    is_databases: bool
    creates: bool


@dataclass(frozen=True, slots=True)
class Server:
    """The contents of the catalog.

    Attributes:
        role: the examined role.
        roles: all roles, by oid.
        relations: all tables and views except PostgreSQL's own, by oid.
        reads: the relations that each view reads.
        children: the partitions and inheriting tables of each table.
        rules: the rules on writes of each table and view.
        functions: the functions with ``SECURITY DEFINER``.
        policy_functions: the owners of this package's functions, by signature.
        schemas: the schemas, by name.
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
    rules: Mapping[int, Sequence[Rule]]
    functions: Sequence[DefinerFunction]
    policy_functions: Mapping[str, int]
    schemas: Mapping[str, Schema]
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

_ROLES: Final = f"""
SELECT oid::int8, rolname::text, rolsuper, rolbypassrls, rolreplication, rolcreaterole,
       pg_catalog.pg_has_role({{role}}::oid, oid, 'MEMBER'),
       coalesce(pg_catalog.pg_has_role(oid, (
           SELECT c.relowner FROM pg_catalog.pg_class c
           WHERE c.oid = pg_catalog.to_regclass('{SCHEMA}.{KEYS}')), 'USAGE'), false)
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

# Role 0 stands for PUBLIC.
_POLICIES: Final = """
SELECT polrelid::int8, polname::text, polpermissive, EXISTS (
    SELECT 1 FROM unnest(polroles) AS r
    WHERE CASE r WHEN 0 THEN true ELSE pg_catalog.pg_has_role({role}::oid, r, 'USAGE') END)
FROM pg_catalog.pg_policy
"""

# A view is a rule on its SELECT.
_READS: Final = """
SELECT DISTINCT r.ev_class::int8, d.refobjid::int8
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.ev_type = '1'
  AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
"""

_RULES: Final = """
SELECT DISTINCT r.ev_class::int8, r.rulename::text, d.refobjid::int8
FROM pg_catalog.pg_rewrite r LEFT JOIN pg_catalog.pg_depend d
  ON r.oid = d.objid AND d.classid = 'pg_catalog.pg_rewrite'::regclass
  AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
WHERE r.ev_type <> '1'
ORDER BY 2
"""

_CHILDREN: Final = "SELECT inhparent::int8, inhrelid::int8 FROM pg_catalog.pg_inherits"

# Without the functions of extensions, which their authors maintain. A trigger's function is called
# without the privilege to do so.
_FUNCTIONS: Final = f"""
SELECT p.oid::regprocedure::text, p.proowner::int8
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosecdef AND {_IS_OTHERS}
  AND (pg_catalog.has_function_privilege({{role}}::oid, p.oid, 'EXECUTE')
       OR EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t
                  WHERE t.tgfoid = p.oid AND (
                      pg_catalog.has_any_column_privilege(
                          {{role}}::oid, t.tgrelid, 'INSERT, UPDATE')
                      OR pg_catalog.has_table_privilege({{role}}::oid, t.tgrelid, 'DELETE'))))
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
                    AND d.deptype = 'e')
ORDER BY 1
"""

_POLICY_FUNCTIONS: Final = f"""
SELECT p.oid::regprocedure::text, p.proowner::int8 FROM pg_catalog.pg_proc p
WHERE left(p.proname, {len(PREFIX)}) = '{PREFIX}'
ORDER BY 1
"""

# Since PostgreSQL 14, the owner of the database has the rights of pg_database_owner.
_SCHEMAS: Final = f"""
SELECT n.nspname::text,
       CASE o.rolname WHEN 'pg_database_owner' THEN d.datdba ELSE n.nspowner END::int8,
       o.rolname = 'pg_database_owner',
       pg_catalog.has_schema_privilege({{role}}::oid, n.oid, 'CREATE')
FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles o ON o.oid = n.nspowner
JOIN pg_catalog.pg_database d ON d.datname = current_database()
WHERE {_IS_OTHERS}
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
    permitted: set[int] = set()
    for relation, name, is_permissive, applies in rows(_POLICIES):
        policies.setdefault(relation, {})[name] = not is_permissive
        if is_permissive and applies:
            permitted.add(relation)
    relations = {
        row[0]: Relation(*row, policies=policies.get(row[0], {}), permits=row[0] in permitted)
        for row in rows(_RELATIONS)
    }
    return Server(
        roles[oid],
        roles,
        relations,
        _grouped(rows(_READS)),
        _grouped(rows(_CHILDREN)),
        _rules(rows(_RULES)),
        [DefinerFunction(*row) for row in rows(_FUNCTIONS)],
        {row[0]: row[1] for row in rows(_POLICY_FUNCTIONS)},
        {row[0]: Schema(*row) for row in rows(_SCHEMAS)},
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


def _rules(found: list[tuple[Any, ...]]) -> dict[int, list[Rule]]:
    reached: dict[tuple[int, str], set[int]] = {}
    for relation, name, target in found:
        reached.setdefault((relation, name), set()).update([] if target is None else [target])
    rules: dict[int, list[Rule]] = {}
    for (relation, name), targets in reached.items():
        rules.setdefault(relation, []).append(Rule(name, frozenset(targets)))
    return rules


def _rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]
    finally:
        cursor.close()
