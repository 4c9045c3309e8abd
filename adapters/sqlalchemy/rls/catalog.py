"""Reads the existing policies from PostgreSQL's catalog.

Reading the catalog requires no privileges. The statements are SQLAlchemy constructs that
name none of the application's tables, so they run in any scope.

https://www.postgresql.org/docs/current/catalog-pg-policy.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from sqlalchemy import Text, and_, cast, column, func, not_, or_, select, table
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import ColumnElement

from .distributed import distributed_oids
from .functions import PREFIX, Nature
from .policies import ALL
from .specification import TablePolicySpec
from .sql import require_postgresql

__all__ = [
    "OURS",
    "Catalog",
    "FoundFunction",
    "FoundPolicy",
    "FoundTable",
    "is_named",
    "read_catalog",
]

OURS: Final = ALL


@dataclass(frozen=True, slots=True)
class FoundPolicy:
    """An existing policy.

    Attributes:
        permissive: whether it is permissive rather than restrictive.
        command: ``*`` for all commands, or the letter of one.
        roles: the roles that it is for; empty for all of them.
        using: the condition for existing rows; ``None`` if there is none.
        check: the condition for new rows; ``None`` if it is the same as ``using``.
        comment: the comment on the policy.
    """

    name: str
    permissive: bool
    command: str
    roles: frozenset[str]
    using: str | None
    check: str | None
    comment: str | None


@dataclass(frozen=True, slots=True)
class FoundFunction:
    """An existing function.

    Attributes:
        is_visible: whether the search path finds it by its name alone.
        nature: what kind of function it is; ``None`` if it is not in PL/pgSQL.
        arguments: the types of its arguments.
    """

    schema: str
    name: str
    is_visible: bool
    nature: Nature | None
    arguments: tuple[int, ...]
    body: str


@dataclass(frozen=True, slots=True)
class FoundTable:
    """An existing table.

    Attributes:
        is_visible: whether the search path finds it by its name alone.
        is_enabled: whether row-level security is enabled.
        is_forced: whether row-level security is forced.
        policies: the policies by name.
        columns: the types of its columns, by name.
        open_partitions: the partitions that show rows to a statement that names them.
        is_distributed: whether Citus has distributed it by a column.
    """

    schema: str
    name: str
    is_visible: bool
    is_enabled: bool
    is_forced: bool
    policies: Mapping[str, FoundPolicy] = field(default_factory=dict)
    columns: Mapping[str, int] = field(default_factory=dict)
    open_partitions: Sequence[tuple[str, str]] = ()
    is_distributed: bool = False


@dataclass(frozen=True, slots=True)
class Catalog:
    """The tables and functions that the database has."""

    tables: Sequence[FoundTable]
    functions: Sequence[FoundFunction]

    def table(self, schema: str | None, name: str) -> FoundTable | None:
        """Return the table of this name; ``None`` if it does not exist."""
        return next((each for each in self.tables if is_named(each, schema, name)), None)

    def overloads(self, schema: str | None, name: str) -> list[FoundFunction]:
        """Return the functions of this name."""
        return [each for each in self.functions if is_named(each, schema, name)]


class _Named(Protocol):
    @property
    def schema(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def is_visible(self) -> bool: ...


def is_named(found: _Named, schema: str | None, name: str) -> bool:
    """Return whether ``found`` is what a name refers to; without a schema, by search path."""
    here = found.is_visible if schema is None else found.schema == schema
    return here and found.name == name


def _catalog(name: str, *columns: str) -> Any:
    return table(name, *(column(each) for each in columns), schema="pg_catalog")


_namespaces: Final = _catalog("pg_namespace", "oid", "nspname")
_classes: Final = _catalog(
    "pg_class",
    "oid",
    "relname",
    "relnamespace",
    "relkind",
    "relrowsecurity",
    "relforcerowsecurity",
    "relispartition",
)
_policies: Final = _catalog(
    "pg_policy",
    "oid",
    "polname",
    "polrelid",
    "polcmd",
    "polpermissive",
    "polroles",
    "polqual",
    "polwithcheck",
)
_roles: Final = _catalog("pg_roles", "oid", "rolname")
_attributes: Final = _catalog(
    "pg_attribute", "attrelid", "attname", "atttypid", "attnum", "attisdropped"
)
_languages: Final = _catalog("pg_language", "oid", "lanname")
_functions: Final = _catalog(
    "pg_proc",
    "oid",
    "proname",
    "pronamespace",
    "prolang",
    "prosecdef",
    "provolatile",
    "proparallel",
    "proargtypes",
    "proconfig",
    "prorettype",
    "prosrc",
)


def read_catalog(connection: Connection, specs: Collection[TablePolicySpec] = ()) -> Catalog:
    """Read the tables of ``specs``, the tables that they refer to, and every other table
    with a policy of this package.

    Args:
        connection: a connection to PostgreSQL, as any role.
        specs: the policies that the models require.

    Raises:
        ConfigurationError: the database is not PostgreSQL.
    """
    require_postgresql(connection)
    names = {each.name for each in specs} | {
        link.parent for each in specs for link in (*each.ties, *each.references)
    }
    rows = _read_tables(connection, names)
    policies = _read_policies(connection, [row.oid for row in rows])
    columns = _read_columns(connection, [row.oid for row in rows])
    open_partitions = _read_open_partitions(connection)
    distributed = distributed_oids(connection)
    tables = [
        FoundTable(
            row.nspname,
            row.relname,
            row.is_visible,
            row.relrowsecurity,
            row.relforcerowsecurity,
            policies.get(row.oid, {}),
            columns.get(row.oid, {}),
            open_partitions.get(row.oid, ()),
            row.oid in distributed,
        )
        for row in rows
    ]
    return Catalog(tables, _read_functions(connection))


def _read_tables(connection: Connection, names: Collection[str]) -> Sequence[Any]:
    has_ours = (
        select(1)
        .where(_policies.c.polrelid == _classes.c.oid, _policies.c.polname.in_(OURS))
        .exists()
    )
    return connection.execute(
        select(
            _classes.c.oid,
            _namespaces.c.nspname,
            _classes.c.relname,
            _classes.c.relrowsecurity,
            _classes.c.relforcerowsecurity,
            func.pg_table_is_visible(_classes.c.oid).label("is_visible"),
        )
        .join_from(_classes, _namespaces, _namespaces.c.oid == _classes.c.relnamespace)
        .where(
            _as_text(_classes.c.relkind).in_(("r", "p")),
            or_(_classes.c.relname.in_(names), has_ours),
        )
        .order_by(_namespaces.c.nspname, _classes.c.relname)
    ).all()


def _read_policies(
    connection: Connection, tables: Collection[int]
) -> dict[int, dict[str, FoundPolicy]]:
    rows = connection.execute(
        select(
            _policies.c.polrelid,
            _policies.c.polname,
            _policies.c.polpermissive,
            _as_text(_policies.c.polcmd).label("command"),
            func.array_to_string(_policies.c.polroles, ",").label("roles"),
            func.pg_get_expr(_policies.c.polqual, _policies.c.polrelid).label("using"),
            func.pg_get_expr(_policies.c.polwithcheck, _policies.c.polrelid).label("with_check"),
            func.obj_description(_policies.c.oid, "pg_policy").label("comment"),
        ).where(_policies.c.polrelid.in_(tables))
    ).all()
    names = {
        row.oid: row.rolname for row in connection.execute(select(_roles.c.oid, _roles.c.rolname))
    }
    found: dict[int, dict[str, FoundPolicy]] = {}
    for row in rows:
        found.setdefault(row.polrelid, {})[row.polname] = FoundPolicy(
            row.polname,
            row.polpermissive,
            row.command,
            # Role 0 stands for PUBLIC.
            frozenset(names[int(each)] for each in row.roles.split(",") if each != "0"),
            row.using,
            row.with_check,
            row.comment,
        )
    return found


def _read_columns(connection: Connection, tables: Collection[int]) -> dict[int, dict[str, int]]:
    rows = connection.execute(
        select(_attributes.c.attrelid, _attributes.c.attname, _attributes.c.atttypid).where(
            _attributes.c.attrelid.in_(tables),
            _attributes.c.attnum > 0,
            _attributes.c.attisdropped.is_(False),
        )
    ).all()
    found: dict[int, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row.attrelid, {})[row.attname] = row.atttypid
    return found


def _read_open_partitions(connection: Connection) -> dict[int, list[tuple[str, str]]]:
    root = _classes.alias("root")
    rows = connection.execute(
        select(root.c.oid, _namespaces.c.nspname, _classes.c.relname)
        .select_from(_classes)
        .join(root, root.c.oid == func.pg_partition_root(_classes.c.oid))
        .join(_namespaces, _namespaces.c.oid == _classes.c.relnamespace)
        .where(
            _classes.c.relispartition,
            _as_text(_classes.c.relkind).in_(("r", "p")),
            not_(and_(_classes.c.relrowsecurity, _classes.c.relforcerowsecurity)),
        )
        .order_by(_namespaces.c.nspname, _classes.c.relname)
    ).all()
    found: dict[int, list[tuple[str, str]]] = {}
    for of, schema, name in rows:
        found.setdefault(of, []).append((schema, name))
    return found


def _read_functions(connection: Connection) -> list[FoundFunction]:
    rows = connection.execute(
        select(
            _namespaces.c.nspname,
            _functions.c.proname,
            func.pg_function_is_visible(_functions.c.oid).label("is_visible"),
            _languages.c.lanname,
            _functions.c.prorettype,
            _as_text(_functions.c.provolatile).label("volatility"),
            _as_text(_functions.c.proparallel).label("parallel"),
            _functions.c.prosecdef,
            func.array_to_string(_functions.c.proconfig, "\n").label("settings"),
            _as_text(_functions.c.proargtypes).label("arguments"),
            _functions.c.prosrc,
        )
        .join_from(_functions, _namespaces, _namespaces.c.oid == _functions.c.pronamespace)
        .join(_languages, _languages.c.oid == _functions.c.prolang)
        .where(_functions.c.proname.startswith(PREFIX, autoescape=True))
    ).all()
    return [
        FoundFunction(
            row.nspname,
            row.proname,
            row.is_visible,
            _nature(row) if row.lanname == "plpgsql" else None,
            tuple(map(int, row.arguments.split())),
            row.prosrc,
        )
        for row in rows
    ]


def _nature(row: Any) -> Nature:
    settings = tuple(row.settings.split("\n")) if row.settings else ()
    return Nature(row.prorettype, row.volatility, row.parallel, row.prosecdef, settings)


def _as_text(value: ColumnElement[Any]) -> ColumnElement[str]:
    # Drivers disagree on how to return the types "char" and oidvector.
    return cast(value, Text)
