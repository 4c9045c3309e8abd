"""PostgreSQL's plans for the statements that SQLAlchemy sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from sqlalchemy import event
from sqlalchemy.orm import Session

__all__ = ["Plan", "as_text", "indexes", "nodes", "plan_of", "scanned"]

Plan: TypeAlias = dict[str, Any]
"""What ``EXPLAIN (FORMAT JSON)`` says of one node, the nodes below it included.

https://www.postgresql.org/docs/current/sql-explain.html
"""


def plan_of(session: Session, run: Callable[[Session], object]) -> Plan:
    """Return the plan of the only statement that ``run`` sends.

    It is requested in the same transaction, so that the same policies, role and settings apply,
    and with the same bound parameters.

    Args:
        session: a session with psycopg.
        run: sends the statement.

    Raises:
        ValueError: it sends no statement, or several.
    """
    sent: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, sql: str, parameters: Any, *rest: Any) -> None:
        sent.append((sql, parameters))

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", note)
    try:
        run(session)
    finally:
        event.remove(connection, "before_cursor_execute", note)
    if len(sent) != 1:
        raise ValueError(f"one statement is explained at a time, not {len(sent)}")
    (sql, parameters) = sent[0]
    cursor = connection.connection.cursor()
    try:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
        (explained,) = cursor.fetchall()
    finally:
        cursor.close()
    plan: Plan = explained[0][0]["Plan"]
    return plan


def nodes(plan: Plan) -> Iterator[Plan]:
    """Yield the node and all nodes below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def indexes(plan: Plan) -> dict[str, str]:
    """Return the indexes that are searched, with their conditions."""
    return {
        node["Index Name"]: node.get("Index Cond", "")
        for node in nodes(plan)
        if "Index Name" in node
    }


def scanned(plan: Plan) -> list[str]:
    """Return the sorted names of the tables and partitions that are read."""
    return sorted(
        node["Relation Name"]
        for node in nodes(plan)
        if "Scan" in node["Node Type"] and "Relation Name" in node
    )


def as_text(plan: Plan, depth: int = 0) -> str:
    """Return the plan as text: one node per line, with its conditions."""
    words = [plan["Node Type"]]
    if "Index Name" in plan:
        words.append(f"using {plan['Index Name']}")
    if "Relation Name" in plan:
        words.append(f"on {plan['Relation Name']}")
    said = [
        f"{name}: {plan[name]}"
        for name in ("Subplan Name", "Index Cond", "Recheck Cond", "Filter", "One-Time Filter")
        if name in plan
    ]
    line = "  " * depth + " ".join(words) + ("  [" + "; ".join(said) + "]" if said else "")
    return "\n".join([line, *(as_text(below, depth + 1) for below in plan.get("Plans", ()))])
