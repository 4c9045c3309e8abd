"""Where the directory says that tenants' rows are, and how that is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Engine

from tenantshield_mw.tenant import TenantId

from ..errors import ConfigurationError
from ..lifecycle.tenants import Tenant, Tenants
from ..placements.placement import Placement
from ..tenants.table import table_of
from .fleet import Fleet

__all__ = ["Listing"]

_NAMES: Final = ("schema", "database")


class Listing:
    """The tenants in the directory of a fleet.

    Raises:
        ConfigurationError: the directory does not say where rows are.
    """

    def __init__(self, fleet: Fleet) -> None:
        table = table_of(fleet.directory.lookup)
        assert table is not None
        keys = {
            getattr(each, "key", None) or getattr(each, "name", "") for each in table.attributes
        }
        self._names = [name for name in _NAMES if name in keys]
        if not self._names:
            raise ConfigurationError(
                "the directory does not say where rows are: give tenants_in() the columns "
                "attributes=(Tenant.schema, Tenant.database), or one of them"
            )
        self._source: Any = table.source
        self._tenants = Tenants(table, fleet.directory, None)

    def close(self) -> None:
        """Close the connections of the directory, at the end of a command."""
        bind = getattr(self._source, "kw", {}).get("bind", self._source)
        # Those of an async engine are closed after each use.
        if isinstance(bind, Engine):
            bind.dispose()

    def placements(self) -> Iterator[Placement]:
        """Yield the places of all tenants; some several times."""
        for each in self._tenants.all():
            yield _placement_of(each.attributes)

    def find(self, id_: str) -> tuple[TenantId, Placement]:
        """Return the tenant id and the place of a tenant.

        Args:
            id_: the id that the directory looks up, as text.

        Raises:
            ConfigurationError: there is no such tenant.
        """
        found = self._found(id_)
        return found.tenant_id, _placement_of(found.attributes)

    def _found(self, id_: str) -> Tenant:
        found = [each for each in self._tenants.all() if str(each.id) == id_]
        if len(found) != 1:
            raise ConfigurationError(
                "several tenants have this id" if found else "there is no tenant with this id"
            )
        return found[0]

    def switch(self, id_: str, placement: Placement) -> None:
        """Write where the rows of a tenant are, and read it back.

        Raises:
            ConfigurationError: the directory cannot hold it.
        """
        values = {"schema": placement.schema, "database": placement.database}
        self.check(placement)
        self._tenants.set_attributes(id_, {name: values[name] for name in self._names})
        _, found = self.find(id_)
        if found != placement:
            raise ConfigurationError(
                f"the directory says {found} after {placement} was written: its column changes the "
                "name, or something else writes it"
            )

    def check(self, placement: Placement) -> None:
        """Check that the directory can say a place.

        Raises:
            ConfigurationError: it has no column for it.
        """
        missing = [
            name
            for name, value in (("schema", placement.schema), ("database", placement.database))
            if value is not None and name not in self._names
        ]
        if missing:
            raise ConfigurationError(
                f"the directory has no {missing[0]!r} among the attributes= of tenants_in(): add "
                "the column, so that it can say where the rows are"
            )


def _placement_of(attributes: Mapping[str, Any]) -> Placement:
    return Placement(attributes.get("schema"), attributes.get("database"))
