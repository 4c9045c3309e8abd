"""A place that is being made or emptied has a mark, on each kind of database."""

from __future__ import annotations

import pytest

from tenantshield_mw.adapters.sqlalchemy.placements import UNFINISHED
from tenantshield_mw.adapters.sqlalchemy.placements.unfinished import is_unfinished
from tests.databases import NAMES, DatabaseName, database


@pytest.mark.parametrize("name", NAMES)
def test_a_database_with_the_mark_is_unfinished(name: DatabaseName) -> None:
    with database(name) as here:
        engine = here.engine()
        assert not is_unfinished(engine)
        here.run(f"CREATE TABLE {UNFINISHED} (id integer)")
        assert is_unfinished(engine)
        here.run(f"DROP TABLE {UNFINISHED}")
        assert not is_unfinished(engine)
        engine.dispose()
