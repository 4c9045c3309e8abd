"""Gates close places to a tenant and to system scopes, and wait for what has begun."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Final

import pytest
from sqlalchemy import Pool, event

from tenantshield_mw import ConfigurationError, PlacementUnavailableError
from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Placement
from tenantshield_mw.adapters.sqlalchemy.placements.fences import lock_of
from tenantshield_mw.adapters.sqlalchemy.provisioning.gates import Gates, prepare

from .estates import Estate, on_each

estate = on_each("postgresql")

HELD: Final = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"


def test_a_closed_place_is_closed_until_it_is_opened(estate: Estate) -> None:
    estate.enlist("acme", "initech")
    gates = Gates(estate.fleet, "acme", (SHARED, Placement(schema="acme")))
    prepare(estate.fleet, SHARED)
    for _ in range(2):
        gates.close()
        with pytest.raises(PlacementUnavailableError):
            estate.fill("acme", 1)
    estate.fill("initech", 1)
    gates.open_to_tenant(SHARED)
    estate.fill("acme", 10)
    gates.open_to_system()
    left = "SELECT count(*) FROM pg_tables WHERE schemaname = 'tenantshield_moves'"
    # That of the tenant at the other place.
    assert estate.here.read(left) == [(1,)]


@pytest.mark.parametrize("whose", ["acme", None], ids=["the tenant", "a system scope"])
def test_it_waits_no_longer_than_it_should_and_lets_go_of_all(
    estate: Estate, whose: str | None
) -> None:
    gates = Gates(estate.fleet, "acme", (SHARED,))
    with estate.here.dbapi() as begun:
        begun.execute(f"SELECT pg_advisory_lock_shared({lock_of(whose)})")
        with (
            pytest.raises(ConfigurationError, match=r"longer than 0\.1 seconds"),
            gates.alone(patience=0.1),
        ):
            pass
    with gates.alone(patience=5):
        assert estate.here.read(HELD) == [(2,)]
    assert estate.here.read(HELD) == [(0,)]


@pytest.mark.parametrize("waits_in_vain", [False, True])
def test_it_lets_go_before_its_connection_is_closed(estate: Estate, *, waits_in_vain: bool) -> None:
    found: list[Any] = []
    others = 1 if waits_in_vain else 0

    def look(*_: object) -> None:
        # The server would still have to notice the end of this connection.
        found.append(estate.here.read(HELD))

    gates = Gates(estate.fleet, "acme", (SHARED,))
    with estate.here.dbapi() as begun, ExitStack() as stack:
        if waits_in_vain:
            begun.execute(f"SELECT pg_advisory_lock_shared({lock_of(None)})")
            stack.enter_context(pytest.raises(ConfigurationError, match="has been open"))
        event.listen(Pool, "close", look)
        stack.callback(event.remove, Pool, "close", look)
        with gates.alone(patience=0.1 if waits_in_vain else 5):
            pass
    assert found == [[(others,)]]
