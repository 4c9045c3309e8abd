"""Checksums are the same for the same rows, whatever a session has set."""

from __future__ import annotations

from tenantshield_mw.adapters.sqlalchemy.lifecycle.rows import TableRows
from tenantshield_mw.adapters.sqlalchemy.provisioning.checksums import Checksums, settle
from tenantshield_mw.adapters.sqlalchemy.provisioning.copying import Rows
from tests.adapters.sqlalchemy.lifecycle.models import Base

from .estates import Estate


def test_settings_of_a_session_change_no_checksum(lived: Estate, both: tuple[Rows, Rows]) -> None:
    source, _ = both
    checksums = Checksums(TableRows(Base.metadata.tables["life_sample"], source.engine.dialect))
    found = []
    for zone in ("UTC", "Asia/Tokyo"):
        lived.here.run(f"ALTER DATABASE {lived.here.url.database} SET timezone = '{zone}'")
        source.close()
        with source.transaction() as connection:
            settle(connection)
            found.append(checksums.buckets(connection))
    assert found[0] == found[1]
    assert sum(count for count, *_ in found[0].values()) == 3
    lived.here.run("UPDATE life_sample SET text = 'other' WHERE tenant_id = 'acme'")
    with source.transaction() as connection:
        settle(connection)
        changed = checksums.buckets(connection)
    assert changed.keys() == found[0].keys()
    assert changed != found[0]
