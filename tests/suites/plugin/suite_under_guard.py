"""A plugin for pytest that runs SQLAlchemy's own suite on tables that two tenants share.

It is loaded by name into the suite's process. Each table gets a column for the tenant, which is
in no list of columns that a test selects or maps. Each row that a test writes has a decoy: a row of
another tenant with another key and the same values, foreign keys among them, which a trigger
writes. Other triggers fail what changes or deletes a decoy. So a statement that is not confined has
another result than the test expects.

The environment says whether the tables are declared. If not, what the tests notice shows what
they are worth.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import fields
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import pytest

from tenantshield_mw import system_scope, tenant_scope

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

COLUMN: Final = "zz_tenant"
OURS: Final = "acme"
THEIRS: Final = "globex"
DECLARED: Final = os.environ["TENANTSHIELD_DECLARED"] == "yes"


def decoys(table: Table, connection: Connection) -> Iterator[str]:
    """Yield the triggers that write and protect the decoys of ``table`` on SQLite."""
    from sqlalchemy import Integer, Numeric

    preparer = connection.dialect.identifier_preparer
    name = preparer.quote(table.name)
    schema = f"{preparer.quote(table.schema)}." if table.schema else ""
    columns = [each for each in table.columns if each.computed is None]
    keys = list(table.primary_key.columns)
    # A column of the key that refers to nothing, so that the decoy refers to the same rows.
    other = next((each for each in keys if not each.foreign_keys), keys[0] if keys else None)
    values = []
    for each in columns:
        value = f"NEW.{preparer.quote(each.name)}"
        if each.name == COLUMN:
            value = f"'{THEIRS}'"
        elif each is other:
            # Below what the database generates.
            number = issubclass(each.type._type_affinity or object, (Integer, Numeric))
            value = f"-{value} - 1000000" if number else f"'decoy ' || {value}"
        values.append(value)
    into = ", ".join(preparer.quote(each.name) for each in columns)

    def trigger(kind: str, event: str, condition: str, action: str) -> str:
        named = f"{schema}{preparer.quote(f'{kind} {table.name}')}"
        return f"CREATE TRIGGER {named} {event} ON {name} WHEN {condition} BEGIN {action}; END"

    yield trigger(
        "decoy of",
        "AFTER INSERT",
        f"NEW.{COLUMN} <> '{THEIRS}'",
        f"INSERT OR IGNORE INTO {name} ({into}) SELECT {', '.join(values)}",
    )
    for event in ("UPDATE", "DELETE"):
        fail = f"SELECT RAISE(ABORT, '{event} of a decoy')"
        yield trigger(event, f"BEFORE {event}", f"OLD.{COLUMN} = '{THEIRS}'", fail)


def make_decoys(table: Table, connection: Connection, **_: Any) -> None:
    raw: Any = connection.connection.dbapi_connection
    for each in decoys(table, connection):
        raw.cursor().execute(each)


def share_tables() -> None:
    """Let each table hold the rows of several tenants from now on."""
    from sqlalchemy import Column, String, Table, event

    from tenantshield_mw.adapters.sqlalchemy import tenant_aware

    for name in ("mssql", "mysql", "oracle", "postgresql", "sqlite"):
        # Their own tables, of the databases' catalogs, are made before.
        import_module(f"sqlalchemy.dialects.{name}")

    new: Any = Table._new.__func__  # type: ignore[attr-defined]

    def new_shared(cls: Any, *args: Any, **kwargs: Any) -> Table:
        table: Table = new(cls, *args, **kwargs)
        if table.columns and COLUMN not in table.columns:
            default = None if DECLARED else OURS
            column: Column[str] = Column(
                COLUMN,
                String(20),
                nullable=False,
                server_default=default,
                _omit_from_statements=True,
            )
            table.append_column(column)
            if DECLARED:
                tenant_aware(table, column=COLUMN)
            event.listen(table, "after_create", make_decoys)
        return table

    Table._new = classmethod(new_shared)  # type: ignore[assignment]


def leave_unmapped() -> None:
    """Let no mapper map the column, which the tests do not know."""
    from sqlalchemy.orm import Mapper

    excluded: Any = Mapper._should_exclude

    @wraps(excluded)
    def without_tenant(self: Any, name: str, assigned: str, local: bool, column: Any) -> bool:
        if COLUMN in (name, getattr(column, "name", None)):
            return True
        return bool(excluded(self, name, assigned, local, column))

    Mapper._should_exclude = without_tenant  # type: ignore[method-assign]


def in_system_scope(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def confined(*args: Any, **kwargs: Any) -> Any:
        with system_scope("tables are made and dropped for all tenants"):
            return function(*args, **kwargs)

    return confined


def make_and_drop_in_system_scope() -> None:
    from sqlalchemy import MetaData, Table

    for owner, names in ((MetaData, ("create_all", "drop_all")), (Table, ("create", "drop"))):
        for name in names:
            setattr(owner, name, in_system_scope(getattr(owner, name)))


def listen_again() -> None:
    """Set the guard's listeners, which some tests remove together with all others."""
    from sqlalchemy import event

    from tenantshield_mw.adapters.sqlalchemy.orm.objects import LISTENERS

    for target, name, function, options in LISTENERS:
        if not event.contains(target, name, function):
            event.listen(target, name, function, **options)


class Scopes:
    """Runs each test in a tenant's scope, and each class of tests on tables of its own.

    The classes use the same names for different tables, which no application does.
    """

    def __init__(self) -> None:
        from tenantshield_mw.adapters.sqlalchemy.ownership.registry import registry

        self._registry = registry
        state = registry._state
        self._empty = {each.name: getattr(state, each.name) for each in fields(state) if each.init}
        self._class: str | None = None
        self._entered = ExitStack()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        of = nodeid.rpartition("::")[0]
        if of != self._class:
            self._registry._renew(**self._empty)
            self._class = of
        if DECLARED:
            listen_again()
        self._entered.enter_context(tenant_scope(OURS))

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        self._entered.close()


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    # Not before, since the suite's own plugin has to be imported before SQLAlchemy.
    share_tables()
    leave_unmapped()
    make_and_drop_in_system_scope()
    session.config.pluginmanager.register(Scopes())
