"""Makes the places of an application's tenants, with a row of nobody's in each table.

Run in the folder of an application, whose models are named ``app`` in all three: as ``python
make_places.py URL MODELS PLACES``, with the placements as JSON, ``{}`` for the shared tables.
Each table has numbers of its own in each place, so that an id says where its row is.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    Column,
    Connection,
    MetaData,
    Table,
    TypeDecorator,
    create_engine,
    make_url,
    text,
)
from sqlalchemy.schema import CreateSchema

from tenantshield_mw import system_scope
from tenantshield_mw.adapters.sqlalchemy.ownership.registry import registry
from tenantshield_mw.adapters.sqlalchemy.placements import (
    SHARED,
    Databases,
    Placement,
    Placements,
    Schemas,
)

COMMON: Final = "common"
"""The schema of what all tenants use on PostgreSQL, besides their own."""

FIRST: Final = 1_000_000
"""The first number of the first place; so the ids of all places have seven digits."""

APART: Final = 10_000
"""How far the first numbers of two tables are apart. Rows of nobody's have a multiple of it."""

_VALUES: Final = {int: 0, bool: False, datetime: datetime.now(UTC)}


def _value(column: Column[Any], number: int) -> Any:
    # SQLAlchemy 2.0 does not tell what a decorator is of.
    kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    if column.primary_key and not column.foreign_keys and kind.python_type is int:
        return number
    enums = getattr(kind, "enum_class", None)
    return next(iter(enums)) if enums else _VALUES.get(kind.python_type, "nobody")


def _fill(connection: Connection, table: Table, number: int, schema: str) -> None:
    values = {
        column.name: _value(column, number)
        for column in table.columns
        if not column.nullable or column.primary_key
    }
    connection.execute(table.insert().values(values))
    if connection.dialect.name == "postgresql" and "id" in table.c:
        connection.execute(text(f"SELECT setval('\"{schema}\".{table.name}_id_seq', {number})"))


def beside(url: URL, name: str) -> str:
    """Return the name of another database, which is in the same folder if it is a file."""
    return str(Path(url.database or "").with_name(name))


def main(given: str, models: str, places: str) -> None:
    url = make_url(given)
    module, _, name = models.partition(":")
    metadata: MetaData = getattr(import_module(module), name).metadata
    engine = create_engine(url)
    has_schemas = engine.dialect.name == "postgresql"
    placements = Placements(
        engine,
        schemas=Schemas(common=(COMMON,)) if has_schemas else None,
        databases=Databases(url=lambda name: url.set(database=beside(url, name))),
    )
    for number, each in enumerate(json.loads(places), 1):
        place = Placement(**each)
        if place.schema is not None:
            with engine.begin() as connection:
                connection.execute(CreateSchema(place.schema))
        tables = [
            table
            for table in metadata.sorted_tables
            if place == SHARED or not registry.is_shared(table)
        ]
        with system_scope("make a place", at=place), engine.begin() as connection:
            if has_schemas:
                connection.execute(CreateSchema(COMMON, if_not_exists=True))
            metadata.create_all(connection, tables=tables)
            if has_schemas:
                # The row of nobody's refers to no other.
                connection.execute(text("SET LOCAL session_replication_role = replica"))
            for at, table in enumerate(tables):
                _fill(connection, table, FIRST * number + APART * at, place.schema or "public")
    placements.dispose()
    engine.dispose()


if __name__ == "__main__":
    sys.path.insert(0, "")
    main(*sys.argv[1:])
