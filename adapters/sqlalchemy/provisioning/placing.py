"""Gives a tenant that has no rows yet a place of its own."""

from __future__ import annotations

from sqlalchemy import inspect

from tenantshield_mw.tenant import TenantId

from ..errors import ConfigurationError
from ..lifecycle.erasing import survey
from ..placements.placement import SHARED, Placement
from .fleet import Fleet
from .gates import Gates, prepare
from .journal import Journal
from .listing import Listing
from .making import make

__all__ = ["place"]


def place(fleet: Fleet, id_: str, placement: Placement, *, patience: float = 10.0) -> None:
    """Make a place, and only then let the directory name it.

    It can be killed at any time and called again.

    Args:
        fleet: the fleet.
        id_: the tenant's id, as the directory looks it up.
        placement: the place.
        patience: on PostgreSQL with schemas, for how many seconds to wait for transactions of the
            tenant that have begun.

    Raises:
        ConfigurationError: the tenant has rows or another place already, or the place cannot
            be made; the directory is as it was.
    """
    if placement.schema is None and placement.database is None:
        raise ConfigurationError("say where: --schema, --database NAME or both")
    fleet.check(placement)
    listing = Listing(fleet)
    listing.check(placement)
    tenant_id, source = listing.find(id_)
    if source not in (placement, SHARED):
        raise ConfigurationError(
            f"the tenant has a place of its own already, {source}: {fleet.how_rows_move()}; or, "
            "if that place was never made, let the directory name none"
        )
    if source != placement:
        _check_empty(fleet, tenant_id, source)
    make(fleet, placement)
    if fleet.schemas is None:
        _switch(fleet, listing, id_, tenant_id, placement)
        return
    with Journal.opened(fleet) as journal:
        journal.check_none()
        prepare(fleet, source)
        prepare(fleet, placement)
        gates = Gates(fleet, tenant_id, (source, placement))
        with gates.alone(patience):
            gates.close_to_tenant(source)
            try:
                _switch(fleet, listing, id_, tenant_id, placement)
            except ConfigurationError:
                gates.open_to_tenant(source)
                raise
            gates.open_to_tenant(placement)


def _switch(
    fleet: Fleet, listing: Listing, id_: str, tenant_id: TenantId, placement: Placement
) -> None:
    _, source = listing.find(id_)
    if source == placement:
        return
    # Again: to make a place takes a while.
    _check_empty(fleet, tenant_id, source)
    listing.switch(id_, placement)
    try:
        # And again, where no gates keep the application away.
        _check_empty(fleet, tenant_id, source)
    except ConfigurationError:
        listing.switch(id_, source)
        raise


def _check_empty(fleet: Fleet, tenant_id: TenantId, source: Placement) -> None:
    plan = fleet.plan()
    engine = fleet.rows_at(source, plan)
    try:
        there = set(inspect(engine).get_table_names())
        if there.isdisjoint(each.name for each in plan.tables):
            # All tenants of the fleet have places of their own.
            return
        found = survey(engine, plan, tenant_id)
    finally:
        engine.dispose()
    if any(found.rows.values()):
        names = ", ".join(f"{rows} in {name}" for name, rows in found.rows.items() if rows)
        raise ConfigurationError(
            f"the tenant has rows in {source}: {names}; {fleet.how_rows_move()}"
        )
