"""Runs ``tenantshield-mw tenants`` with parsed arguments."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tenantshield_mw.directory import TenantState

from ..doctor.targets import saying_what_failed, sync_engine_at
from ..errors import ConfigurationError
from .tenants import Tenant, Tenants, tenants_at

__all__ = ["run"]


def run(
    target: str,
    *,
    action: str,
    tenant: str | None,
    database: str | None,
    values: Sequence[str],
    state: str | None,
    json: bool,
) -> int:
    """Create, suspend, activate or list tenants.

    Args:
        target: ``module:attribute`` of the directory.
        action: ``create``, ``suspend``, ``activate`` or ``list``.
        tenant: the tenant's id; ``None`` for ``list``.
        database: the URL of the database; that of the directory's lookup if ``None``.
        values: further columns of a new tenant, as ``column=value``.
        state: the value of the state, if it is not clear.
        json: whether to print JSON instead of text.

    Returns:
        0.

    Raises:
        ConfigurationError: an argument is invalid, or the database cannot be used.
    """
    engine = None if database is None else sync_engine_at(database)
    url = None if engine is None else engine.url
    try:
        with saying_what_failed("could not use the table of tenants", url):
            tenants = tenants_at(target, engine)
            if tenant is None:
                _write(_listed(tenants.all(), json=json))
                return 0
            said = _done(tenants, action, tenant, _pairs(values), state)
    finally:
        if engine is not None:
            engine.dispose()
    _write(json_.dumps({"id": tenant, "is": said}) if json else f"{tenant}: {said}")
    if not json:
        _write("Other processes see it when the ttl of their directory expires.")
    return 0


def _done(
    tenants: Tenants, action: str, tenant: str, values: Mapping[str, str], state: str | None
) -> str:
    if action == "create":
        tenants.create(tenant, values, state)
        return "created"
    to = TenantState.SUSPENDED if action == "suspend" else TenantState.ACTIVE
    changed = tenants.change(tenant, to, state)
    return to.value if changed else f"{to.value}, as before"


def _pairs(values: Sequence[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in values]
    if wrong := [name for name, sign, _ in pairs if not sign]:
        raise ConfigurationError(f"--set {wrong[0]} is not COLUMN=VALUE")
    return {name: value for name, _, value in pairs}


def _listed(found: Sequence[Tenant], *, json: bool) -> str:
    rows = [
        {
            "id": each.id,
            "state": each.state.value,
            "tenant_id": each.tenant_id,
            **each.attributes,
        }
        for each in found
    ]
    if json:
        return json_.dumps(rows, indent=2, default=str)
    lines: list[list[Any]] = [[*rows[0]], *([*row.values()] for row in rows)] if rows else []
    texts = [[str(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in texts
    )


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
