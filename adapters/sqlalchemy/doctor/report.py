"""Formats findings, as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from .findings import Finding
from .kinds import SEVERITIES

__all__ = ["as_json", "as_text", "summary"]

WIDTH: Final = 92

_PLURALS: Final = {"error": "errors", "warning": "warnings", "info": "info"}


def as_json(findings: Sequence[Finding], *, tables: int, database: str | None, ignored: int) -> str:
    """Return the findings as one JSON object.

    Its keys: ``database`` (without user and password, or null), ``tables`` and ``ignored``
    (numbers), ``counts`` (by severity) and ``findings``, each of which has ``severity``,
    ``kind``, ``table``, ``column``, ``object``, ``reason`` and ``fix``. A release may add
    keys and kinds, but keeps the existing ones.
    """
    counts = {each: sum(f.severity == each for f in findings) for each in SEVERITIES}
    listed = [
        {
            "severity": each.severity,
            "kind": each.kind,
            "table": each.table,
            "column": each.column,
            "object": each.object,
            "reason": each.reason,
            "fix": each.fix,
        }
        for each in findings
    ]
    return json.dumps(
        {
            "database": database,
            "tables": tables,
            "ignored": ignored,
            "counts": counts,
            "findings": listed,
        },
        indent=2,
        ensure_ascii=False,
    )


def as_text(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of a report, grouped by table."""
    for table, group in groupby(findings, lambda each: each.table):
        yield "In general" if table is None else table
        for each in group:
            yield f"  {each.severity:<7}  {each.kind}"
            yield from textwrap.wrap(
                each.reason,
                WIDTH,
                initial_indent=" " * 4,
                subsequent_indent=" " * 4,
                break_long_words=False,
                break_on_hyphens=False,
            )
            # Not wrapped, so that it can be copied.
            yield f"    Fix: {each.fix}"
        yield ""


def summary(findings: Sequence[Finding], *, tables: int, ignored: int) -> str:
    """Return a summary in one line."""
    parts: list[str] = []
    for severity in SEVERITIES:
        count = sum(each.severity == severity for each in findings)
        if count:
            parts.append(f"{count} {severity if count == 1 else _PLURALS[severity]}")
    found = ", ".join(parts) or "nothing found"
    left_out = f", {ignored} ignored" if ignored else ""
    return f"{found}{left_out}, {tables} {'table' if tables == 1 else 'tables'} examined"
