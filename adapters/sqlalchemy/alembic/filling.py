"""Assigns a tenant to the rows of a table in batches, while the application runs.

A table is scanned in the physical order of its rows (``ctid``), so that each page is read once
and no index is needed. An updated row moves further back, but has a tenant by then. Rows that
another transaction has locked are skipped at first: a batch that waited for one while it holds
locks on others could deadlock. The skipped rows are processed last, one at a time.

https://www.postgresql.org/docs/current/ddl-system-columns.html
"""

from __future__ import annotations

from typing import Final, Protocol

from ..errors import ConfigurationError
from ..rls.sql import literal, quoted, table_name
from .execution import Steps, log

__all__ = ["Filled", "fill"]

_START: Final = "(0,0)"


class Filled(Protocol):
    """The table and column to fill, and the expression for the tenant."""

    table: str
    schema: str | None
    column: str
    expression: str
    batch_rows: int


def fill(step: Steps, what: Filled) -> None:
    """Assign a tenant to all rows that have none.

    Raises:
        ConfigurationError: the expression is NULL for some rows.
    """
    label = table_name(what.schema, what.table)
    if step.as_sql:
        step.run(_as_sql(what, label))
        return
    done = 0
    for (leaf,) in step.rows(_leaves(label)):
        while True:
            place: str | None = _START
            while place is not None:
                place, written = _one_batch(step, what, leaf, place)
                done += written
                if written:
                    log.info("%s: %d rows filled", label, done)
            locked, written = _one_batch(step, what, leaf, None)
            done += written
            if locked is None:
                break
    log.info("%s: every row has a tenant; %d rows were filled", label, done)


def _one_batch(step: Steps, what: Filled, leaf: str, after: str | None) -> tuple[str | None, int]:
    """Write one batch; return the place of its last row, if any, and the number of rows."""
    [(place, written, unknown)] = step.rows(_batch(what, leaf, after))
    if unknown:
        raise ConfigurationError(
            f"fill_tenant_column({what.table!r}): the expression is NULL for {unknown} of "
            f"{written} rows, which were not changed; it must return a tenant for every row: "
            f"{what.expression}"
        )
    return place, written


def _batch(what: Filled, leaf: str, after: str | None) -> str:
    """Return the statement for one batch: the unlocked rows after ``after``, or, if that is
    ``None``, a single row that may be locked.
    """
    column = quoted(what.column)
    limit, skip = (1, "") if after is None else (what.batch_rows, " SKIP LOCKED")
    return (
        f"WITH batch AS MATERIALIZED (SELECT ctid AS place FROM ONLY {leaf} "
        f"WHERE {column} IS NULL AND ctid > '{after or _START}'::tid "
        f"LIMIT {limit} FOR NO KEY UPDATE{skip}), "
        f"written AS (UPDATE ONLY {leaf} AS filled SET {column} = {what.expression} "
        f"FROM batch WHERE filled.ctid = batch.place RETURNING filled.{column} AS tenant) "
        "SELECT (SELECT max(place) FROM batch)::text, (SELECT count(*) FROM written), "
        "(SELECT count(*) FROM written WHERE tenant IS NULL)"
    )


def _leaves(label: str) -> str:
    """Return the query for the tables that store the rows: the table or its partitions."""
    table = f"{literal(label)}::regclass"
    return (
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' "
        f"AND (c.oid = {table} OR c.oid IN (SELECT relid FROM pg_partition_tree({table}))) "
        "ORDER BY c.oid"
    )


def _as_sql(what: Filled, label: str) -> str:
    """Return a single ``DO`` block that does the same and commits after each batch."""
    batch = _batch(what, "<leaf>", "<after>")
    single = _batch(what, "<leaf>", None)
    return f"""DO $tenantshield$
DECLARE
    leaf text;
    place text;
    written bigint;
    unknown bigint;
BEGIN
    FOR leaf IN {_leaves(label)} LOOP
        LOOP
            place := '{_START}';
            WHILE place IS NOT NULL LOOP
                EXECUTE replace(replace($batch${batch}$batch$, '<leaf>', leaf), '<after>', place)
                INTO place, written, unknown;
                IF unknown > 0 THEN
                    RAISE EXCEPTION 'the expression is NULL for % rows', unknown;
                END IF;
                COMMIT;
            END LOOP;
            EXECUTE replace($batch${single}$batch$, '<leaf>', leaf)
            INTO place, written, unknown;
            COMMIT;
            EXIT WHEN place IS NULL;
        END LOOP;
    END LOOP;
END $tenantshield$"""
