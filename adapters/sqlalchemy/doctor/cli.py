"""Runs ``tenantshield-mw doctor`` with parsed arguments."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from sqlalchemy import URL, MetaData

from ..errors import ConfigurationError
from .examine import examine
from .findings import Finding
from .kinds import SEVERITIES, Kind, Severity
from .report import as_json, as_text, summary
from .targets import label_of, metadata_at, run_on, url_of

__all__ = ["run"]


@dataclass(frozen=True, slots=True)
class _Ignored:
    """One ``--ignore``: a kind, optionally with a table or the object of a finding."""

    text: str
    kind: str
    about: str | None

    def covers(self, finding: Finding) -> bool:
        return finding.kind == self.kind and self.about in {None, finding.table, finding.object}


def run(
    target: str,
    *,
    database: str | None,
    role: str | None,
    json: bool,
    ignore: Sequence[str],
    fail_on: Severity,
) -> int:
    """Examine the models and the database, print the findings, and return the exit status.

    Args:
        target: ``module:attribute`` of the tables.
        database: a URL, or ``None`` to examine only the models.
        role: the role with which the application logs in.
        json: whether to print JSON instead of text.
        ignore: findings to leave out, as ``kind``, ``kind:table`` or ``kind:object``.
        fail_on: the lowest severity for which the status is 1.

    Raises:
        ConfigurationError: an argument is invalid, or the examination failed.
    """
    ignored = [_read_ignored(each) for each in ignore]
    metadata = metadata_at(target)
    url = None if database is None else url_of(database)
    everything = _examine(metadata, url, role)
    findings = [each for each in everything if not any(i.covers(each) for i in ignored)]
    left_out, tables = len(everything) - len(findings), len(metadata.tables)
    if json:
        label = None if url is None else label_of(url)
        _write(as_json(findings, tables=tables, database=label, ignored=left_out))
    else:
        _write(*as_text(findings))
        _write(f"{summary(findings, tables=tables, ignored=left_out)}.")
        if url is None:
            _write("No database was examined: give --database URL.")
    _report_unused(ignored, everything)
    worst = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    return int(any(each.severity in worst for each in findings))


def _examine(metadata: MetaData, url: URL | None, role: str | None) -> list[Finding]:
    if url is None:
        return examine(metadata, role=role)
    return run_on(url, lambda connection: examine(metadata, connection, role=role))


def _report_unused(ignored: Sequence[_Ignored], findings: Sequence[Finding]) -> None:
    for each in ignored:
        if not any(map(each.covers, findings)):
            sys.stderr.write(f"--ignore {each.text} matched nothing: remove it.\n")


def _write(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


def _read_ignored(text: str) -> _Ignored:
    kind, _, about = text.partition(":")
    if kind not in get_args(Kind):
        raise ConfigurationError(
            f"--ignore {text!r}: no such kind of finding; give kind:table, such as "
            f"unique-without-tenant:invoice. The kinds are {', '.join(sorted(get_args(Kind)))}"
        )
    return _Ignored(text, kind, about or None)
