"""Runs ``tenantshield-mw export``, ``erase`` and ``import`` with parsed arguments."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from ..errors import ConfigurationError
from ..ownership.model import table_label
from .erasing import erase, survey
from .exporting import export
from .importing import Options, import_
from .manifest import read_manifest
from .opening import opened, tenant_id_of
from .progress import Progress

__all__ = ["run_erase", "run_export", "run_import"]


def run_export(
    tenant: str, target: str, *, database: str, key: str | None, out: str, json: bool
) -> int:
    """Export a tenant's rows, and print how many there are.

    Args:
        tenant: the tenant.
        target: ``module:attribute`` of the tables.
        database: the URL of the database.
        key: the environment variable with the key for signed tenants.
        out: the folder.
        json: whether to print JSON instead of text.

    Returns:
        0.

    Raises:
        ConfigurationError: an argument is invalid, or something cannot be exported.
    """
    with opened(target, database, key) as here:
        _tell_of(here.plan.elsewhere)
        tenant_id = tenant_id_of(tenant, here.plan)
        manifest = export(here.engine, here.plan, tenant_id, Path(out), Progress())
    rows = {each.table: each.rows for each in manifest.tables}
    _print({"folder": out, "rows": rows}, f"exported to {out}", rows, json=json)
    return 0


def run_erase(
    tenant: str, target: str, *, database: str, key: str | None, confirm: str | None, json: bool
) -> int:
    """Erase a tenant's rows, or print what would be erased.

    Args:
        tenant: the tenant.
        target: ``module:attribute`` of the tables.
        database: the URL of the database.
        key: the environment variable with the key for signed tenants.
        confirm: the tenant once more; nothing is erased without it.
        json: whether to print JSON instead of text.

    Returns:
        0, or 1 if something is left.

    Raises:
        ConfigurationError: an argument is invalid, or the rows cannot be erased.
    """
    if confirm is not None and confirm != tenant:
        raise ConfigurationError("--confirm names another tenant than the one to erase")
    with opened(target, database, key) as here:
        _tell_of(here.plan.elsewhere)
        tenant_id = tenant_id_of(tenant, here.plan)
        before = survey(here.engine, here.plan, tenant_id)
        if confirm is None:
            title = "would be erased, in this order (--confirm TENANT erases them)"
            _print(
                {"rows": before.rows, "referring": before.referring}, title, before.rows, json=json
            )
            if before.referring and not json:
                _write(
                    _lines(
                        "rows of shared tables refer to these, and are in the way", before.referring
                    )
                )
            return 0
        left = erase(here.engine, here.plan, tenant_id, Progress())
    remaining = {name: rows for name, rows in left.rows.items() if rows}
    found = {"erased": before.rows, "left": remaining}
    _print(found, "erased", before.rows, json=json)
    if remaining and not json:
        _write(_lines("LEFT: they were written meanwhile, or the database keeps them", remaining))
    return int(bool(remaining))


def run_import(
    folder: str,
    target: str,
    *,
    database: str,
    key: str | None,
    tenant: str | None,
    new_keys: bool,
    accept_references: bool,
    json: bool,
) -> int:
    """Import a folder, and print how many rows were written.

    Args:
        folder: the folder.
        target: ``module:attribute`` of the tables.
        database: the URL of the database.
        key: the environment variable with the key for signed tenants.
        tenant: the tenant whose rows they become; the exported one if ``None``.
        new_keys: whether keys that say nothing of a row are made anew.
        accept_references: whether the shared rows that are referred to may have changed.
        json: whether to print JSON instead of text.

    Returns:
        0.

    Raises:
        ConfigurationError: an argument is invalid, or the rows cannot be imported.
    """
    manifest = read_manifest(Path(folder))
    options = Options(new_keys=new_keys, accept_references=accept_references)
    with opened(target, database, key) as here:
        _tell_of(here.plan.elsewhere)
        tenant_id = tenant_id_of(manifest.tenant if tenant is None else tenant, here.plan)
        rows = import_(
            here.engine, here.plan, Path(folder), manifest, tenant_id, options, Progress()
        )
    _print({"rows": rows}, f"imported from {folder}", rows, json=json)
    return 0


def _tell_of(elsewhere: tuple[Table, ...]) -> None:
    if elsewhere:
        names = ", ".join(map(table_label, elsewhere))
        sys.stderr.write(
            f"tables of another MetaData hold tenants' rows, and are left as they are: {names}\n"
        )


def _print(found: Mapping[str, Any], title: str, rows: Mapping[str, int], *, json: bool) -> None:
    _write(json_.dumps(found, indent=2) if json else _lines(title, rows))


def _lines(title: str, rows: Mapping[str, int]) -> str:
    width = max(map(len, rows), default=0)
    lines = [f"{name.ljust(width)}  {number:>9,}" for name, number in rows.items()]
    total = sum(rows.values())
    return "\n".join([f"{title}:", *lines, f"{'all'.ljust(width)}  {total:>9,}"])


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
