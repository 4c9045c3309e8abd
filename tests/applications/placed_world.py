"""An application whose tenants are in several places, and what the databases hold of each."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import httpx
from sqlalchemy import create_engine, inspect

from tenantshield_mw.adapters.testing.requests import Answer, Request
from tests.commands import ROOT, STRICT, serving
from tests.databases import Database, DatabaseName, database

from .applications import Application
from .make_places import APART
from .sweep import answer_to

__all__ = ["NOBODY", "PlacedWorld", "Row", "Where", "placed_world", "translated"]

Where: TypeAlias = Mapping[str, str]
"""What the directory says of a tenant's place: a ``schema``, a ``database`` or nothing."""

NOBODY: Final = "nobody"
"""Whose the row is that each table of each place has from the beginning."""

_ID: Final = re.compile(r"(?<!\d)[1-9]\d{6}(?!\d)")
"""An id, in a text: see :data:`make_places.FIRST`."""


class Row(NamedTuple):
    """A row, and where it is.

    Attributes:
        place: the number of the place, as in :attr:`PlacedWorld.homes`.
        table: the name of the table.
        values: the values, by the names of the columns.
    """

    place: int
    table: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class _Home:
    """A place.

    Attributes:
        database: the database that has it.
        schema: the schema; ``None`` if it is the database's only one.
        cursor: a cursor of the driver's own.
    """

    database: Database
    schema: str | None
    cursor: Any

    def rows(self, table: str, columns: Sequence[str]) -> list[dict[str, Any]]:
        schema = f'"{self.schema}".' if self.schema else ""
        names = ", ".join(f'"{column}"' for column in columns)
        self.cursor.execute(f'SELECT {names} FROM {schema}"{table}"')
        return [dict(zip(columns, row, strict=True)) for row in self.cursor.fetchall()]

    def tables(self) -> list[str]:
        engine = create_engine(self.database.url)
        found = inspect(engine).get_table_names(self.schema)
        engine.dispose()
        return found


class PlacedWorld:
    """The databases of one server, and a client for each tenant.

    Args:
        application: what is served.
        address: where.
        homes: the places; the shared tables come first.
        places: the number of each tenant's place.
    """

    def __init__(
        self,
        application: Application,
        address: str,
        homes: Sequence[_Home],
        places: Mapping[str, int],
    ) -> None:
        self.homes = homes
        self.places = places
        self.clients = {name: httpx.Client(base_url=address, timeout=60) for name in places}
        self.ids: dict[str, dict[str, list[int]]] = {}
        """The ids of the rows that each tenant had in the beginning, by table."""
        self._numbers: dict[int, str] = {}
        self._application = application

    def close(self) -> None:
        for client in self.clients.values():
            client.close()

    def fill(self) -> None:
        """Create rows of each tenant, and leave its client logged in."""
        for name, client in self.clients.items():
            before = {(each.place, each.table, each.values.get("id")) for each in self.rows()}
            self._application.seed(client, name)
            new = [
                each
                for each in self.rows()
                if (each.place, each.table, each.values.get("id")) not in before
            ]
            (number,) = (each.values["id"] for each in new if each.table == "tenant")
            self._numbers[number] = name
            ids: dict[str, list[int]] = {}
            for row in new:
                if "id" in row.values:
                    ids.setdefault(row.table, []).append(row.values["id"])
            self.ids[name] = {table: sorted(found) for table, found in ids.items()}

    # -- asking --------------------------------------------------------------------

    def answer(self, tenant: str, request: Request, status_only: Collection[str]) -> Answer:
        """Return the answer to a tenant, with its ids numbered in the order of their appearance."""
        answer = answer_to(self.clients[tenant], request, status_only)
        seen: dict[str, str] = {}

        def number(found: re.Match[str]) -> str:
            return seen.setdefault(found[0], f"#{len(seen) + 1}")

        headers = tuple((name, _ID.sub(number, value)) for name, value in answer.headers)
        return Answer(answer.status, headers, _ID.sub(number, answer.body.decode()).encode())

    def ids_like(self, other: PlacedWorld) -> dict[int, int]:
        """Return what the ids of another world, filled alike, are in this one."""
        return {
            theirs: ours
            for name, tables in self.ids.items()
            for table, ids in tables.items()
            # A row that a background task writes may not be there yet; no request has its id.
            for theirs, ours in zip(other.ids[name].get(table, ()), ids, strict=False)
        }

    # -- reading what there is -----------------------------------------------------

    def rows(self) -> list[Row]:
        """Return the rows of all places, read by the driver."""
        return [
            Row(place, table, values)
            for place, home in enumerate(self.homes)
            for table in self._tables[place]
            for values in home.rows(table, self._columns[table])
        ]

    def owners(self) -> list[tuple[Row, set[str]]]:
        """Return each row with the tenants whose it is: more than one if it refers to another's."""
        rows = self.rows()
        found = {(each.place, each.table, each.values.get("id")): each for each in rows}

        def of(row: Row) -> set[str]:
            column = self._tenant_column(row.table)
            owners = set()
            if column is not None:
                owners.add(self._name_of(row.values[column]))
            for key, parent in self._references[row.table]:
                if row.values[key]:
                    owners |= of(found[row.place, parent, row.values[key]])
            return owners or {NOBODY}

        return [(row, of(row)) for row in rows]

    def others_rows(self, tenant: str) -> list[str]:
        """Return what another one's row is, or nobody's, in a form that can be compared."""
        others = {NOBODY, *self.places} - {tenant}
        return sorted(repr(row) for row, owners in self.owners() if owners & others)

    def _name_of(self, number: int) -> str:
        if number % APART == 0:
            return NOBODY
        # What signed up during the sweep is a tenant, too.
        return self._numbers.get(number, str(number))

    def _tenant_column(self, table: str) -> str | None:
        if table in ("tenant", self._application.tenant_column.removesuffix("_id")):
            return "id"
        columns = self._columns[table]
        candidates = ("tenant_id", self._application.tenant_column)
        return next((each for each in candidates if each in columns), None)

    @cached_property
    def _tables(self) -> list[list[str]]:
        return [home.tables() for home in self.homes]

    @cached_property
    def _columns(self) -> dict[str, list[str]]:
        engine = create_engine(self.homes[0].database.url)
        found = {
            table: [column["name"] for column in inspect(engine).get_columns(table)]
            for table in self._tables[0]
        }
        engine.dispose()
        return found

    @cached_property
    def _references(self) -> dict[str, list[tuple[str, str]]]:
        engine = create_engine(self.homes[0].database.url)
        found = {
            table: [
                (key["constrained_columns"][0], key["referred_table"])
                for key in inspect(engine).get_foreign_keys(table)
            ]
            for table in self._tables[0]
        }
        engine.dispose()
        return found


def translated(request: Request, ids: Mapping[int, int]) -> Request:
    """Return a request with the ids of another world."""

    def each(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: each(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [each(inner) for inner in value]
        return ids.get(value, value) if type(value) is int else value

    path = _ID.sub(lambda found: str(ids[int(found[0])]), request.path)
    return Request(
        request.method, path, each(request.query), each(request.body), request.form, request.headers
    )


@contextmanager
def placed_world(
    application: Application, folder: Path, kind: DatabaseName, tenants: Mapping[str, str]
) -> Generator[PlacedWorld]:
    """Serve an application to tenants in several places.

    Args:
        application: the application.
        folder: where it is, with its diffs applied.
        kind: the kind of its database.
        tenants: the kind of each tenant's place: ``shared``, ``schema`` or ``database``.
    """
    with ExitStack() as stack:
        shared = stack.enter_context(database(kind))
        homes = [_home(stack, shared, "public" if kind == "postgresql" else None)]
        wheres: list[Where] = [{}]
        places = {}
        for name, place in tenants.items():
            places[name] = 0 if place == "shared" else len(homes)
            if place == "schema":
                wheres.append({"schema": name})
                homes.append(_home(stack, shared, name))
            elif place == "database":
                own = stack.enter_context(database(kind))
                wheres.append({"database": _named(shared, own, name)})
                homes.append(_home(stack, own, homes[0].schema))
        environ = {
            **application.environ(shared),
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "PLACES": json.dumps({name: wheres[place] for name, place in places.items()}),
        }
        make = [sys.executable, *STRICT, str(Path(__file__).with_name("make_places.py"))]
        url = shared.url.render_as_string(hide_password=False)
        subprocess.run(
            [*make, url, application.models, json.dumps(wheres)],
            cwd=folder,
            env={**os.environ, **environ},
            check=True,
        )
        address = stack.enter_context(serving(*application.serve, environ=environ))
        world = PlacedWorld(application, address, homes, places)
        stack.callback(world.close)
        yield world


def _named(shared: Database, own: Database, tenant: str) -> str:
    """Return the name of a tenant's database; a file gets one beside that of the shared tables."""
    if own.name != "sqlite":
        return str(own.url.database)
    Path(str(shared.url.database)).with_name(tenant).symlink_to(str(own.url.database))
    return tenant


def _home(stack: ExitStack, here: Database, schema: str | None) -> _Home:
    return _Home(here, schema, stack.enter_context(here.dbapi()).cursor())
