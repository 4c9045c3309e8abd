"""Writes every row of a tenant to a folder."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

from sqlalchemy.engine import Engine

from tenantshield_mw.tenant import TenantId

from ..ownership.model import table_label
from .exact import settle_texts
from .manifest import Contents, Manifest, made_by, new_folder, schema_of, writing
from .opening import transaction
from .plan import Plan
from .progress import Progress
from .references import References
from .rows import TableRows

__all__ = ["export"]


def export(
    engine: Engine, plan: Plan, tenant_id: TenantId, folder: Path, progress: Progress
) -> Manifest:
    """Write the rows of a tenant, all as of one moment.

    Args:
        engine: the database.
        plan: the tables.
        tenant_id: the tenant.
        folder: a folder that does not exist, or is empty.
        progress: shows how far it has come.

    Returns:
        The manifest, which is in the folder, too.

    Raises:
        ConfigurationError: the folder is not empty, or the type of a column is not understood.
        UnfitValueError: a value is not one of its column's type, or a file would not hold it
            exactly.
    """
    tables = {table_label(each): TableRows(each, engine.dialect) for each in plan.tables}
    references = References(plan, engine.dialect)
    new_folder(folder)
    files: list[Contents] = []
    with transaction(engine, tenant_id, "REPEATABLE READ") as connection:
        settle_texts(connection)
        for number, (label, rows) in enumerate(tables.items(), 1):
            name = f"{number:03}-{re.sub(r'[^A-Za-z0-9_.]', '_', label)}.ndjson"
            with writing(folder / name) as writer:
                for row in rows.written(connection):
                    writer.add(row)
                    progress.show(label, writer.rows)
            files.append(writer.contents(label, name))
        with writing(folder / "references.ndjson") as writer:
            for row in references.written(connection):
                writer.add(row)
    progress.clear()
    manifest = Manifest(
        tenant=str(tenant_id),
        tenant_type=type(tenant_id).__name__,
        schema=schema_of(tables),
        tables=tuple(files),
        references=writer.contents("", "references.ndjson"),
        made_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        made_by=made_by(),
    )
    manifest.write(folder)
    return manifest
