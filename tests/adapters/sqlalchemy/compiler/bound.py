"""Tables with tenant columns of many types."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table

from tenantshield_mw.adapters.sqlalchemy import tenant_aware

from ..watching import fill


def marked(name: str, type_: Any) -> Table:
    return tenant_aware(
        Table(
            name,
            MetaData(),
            Column("id", Integer, primary_key=True),
            Column("tenant_id", type_),
            Column("name", String(50)),
        )
    )


NOTE = marked("bind_note", String(50))
NUMBERED = marked("bind_numbered", Integer)


def seed(engine: Engine) -> Engine:
    NOTE.metadata.create_all(engine)
    NUMBERED.metadata.create_all(engine)
    fill(
        engine,
        "INSERT INTO bind_note VALUES (1, 'acme', 'ours'), (2, 'globex', 'theirs')",
        "INSERT INTO bind_numbered VALUES (1, 7, 'ours'), (2, 8, 'theirs')",
    )
    return engine
