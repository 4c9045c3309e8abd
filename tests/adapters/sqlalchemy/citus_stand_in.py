"""What stands in for Citus in a PostgreSQL: SQL that a superuser executes.

It has the table of what is distributed, where Citus has it, and functions that write into it and
refuse what Citus refuses.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, Integer, MetaData, String, Table

from tenantshield_mw.adapters.sqlalchemy import tenant_aware

__all__ = ["CITUS", "keyed"]

CITUS = """
SET allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (
    logicalrelid regclass, partmethod "char", partkey text, colocationid int, repmodel "char"
);
GRANT ALL ON pg_catalog.pg_dist_partition TO PUBLIC;
CREATE FUNCTION pg_catalog.column_to_column_name(regclass, text) RETURNS text
LANGUAGE sql AS 'SELECT $2';
CREATE FUNCTION pg_catalog.create_reference_table(added regclass) RETURNS void
LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = added) THEN
        RAISE EXCEPTION 'table % is already distributed', added;
    END IF;
    INSERT INTO pg_dist_partition VALUES (added, 'n', NULL, 0, 't');
END $$;
CREATE FUNCTION pg_catalog.create_distributed_table(
    added regclass, part text, colocate_with text
) RETURNS void LANGUAGE plpgsql AS $$ DECLARE grouped int; BEGIN
    IF EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = added) THEN
        RAISE EXCEPTION 'table % is already distributed', added;
    END IF;
    IF current_setting('citus.enable_local_reference_table_foreign_keys', true) <> 'off' THEN
        RAISE EXCEPTION 'cannot create foreign key constraint';
    END IF;
    IF colocate_with = 'none' THEN
        SELECT coalesce(max(colocationid), 0) + 1 INTO grouped FROM pg_dist_partition;
    ELSE
        SELECT colocationid INTO STRICT grouped FROM pg_dist_partition
        WHERE logicalrelid = colocate_with::regclass AND partmethod = 'h';
    END IF;
    INSERT INTO pg_dist_partition VALUES (added, 'h', part, grouped, 's');
END $$;
"""


def keyed(name: str, metadata: MetaData, *more: Column[Any] | ForeignKeyConstraint) -> Table:
    """Return a table of tenants whose primary key begins with the tenant."""
    table = Table(
        name,
        metadata,
        Column("tenant_id", String(40), primary_key=True),
        Column("id", Integer, primary_key=True),
        *more,
    )
    tenant_aware(table)
    return table
