"""What ``tenantshield-mw doctor`` does once its arguments are read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from ..errors import ConfigurationError
from .examine import examine
from .findings import Finding
from .kinds import SEVERITIES, Kind, Severity
from .report import as_json, as_text, summary
from .targets import label_of, metadata_at, run_on, url_of

__all__ = ["run"]


@dataclass(frozen=True, slots=True)
class _Ignored:
    """One ``--ignore``: a kind, and perhaps a table, or the object of a finding."""

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
    """Examine, write down what was found, and return the exit status.

    Args:
        target: ``module:attribute`` of the tables.
        database: a URL, or ``None`` to look at the models alone.
        role: the role as which the application logs in.
        json: whether to write JSON in place of text.
        ignore: findings to leave out, as ``kind``, ``kind:table`` or ``kind:object``.
        fail_on: the least severity for which the status is 1.

    Raises:
        ConfigurationError: it could not be done; the message says what to do.
    """
    ignored = [_read_ignored(each) for each in ignore]
    metadata = metadata_at(target)
    url = None if database is None else url_of(database)
    if url is None:
        everything = examine(metadata, role=role)
    else:
        everything = run_on(url, lambda connection: examine(metadata, connection, role=role))
    findings = [each for each in everything if not any(i.covers(each) for i in ignored)]
    left_out, tables = len(everything) - len(findings), len(metadata.tables)
    if json:
        label = None if url is None else label_of(url)
        _write(as_json(findings, tables=tables, database=label, ignored=left_out))
    else:
        _write(*as_text(findings))
        _write(f"{summary(findings, tables=tables, ignored=left_out)}.")
        if url is None:
            _write("No database was looked at: give --database URL.")
    for each in ignored:
        if not any(map(each.covers, everything)):
            sys.stderr.write(f"--ignore {each.text} matched nothing: it can go.\n")
    worst = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    return int(any(each.severity in worst for each in findings))


def _write(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


def _read_ignored(text: str) -> _Ignored:
    kind, _, about = text.partition(":")
    if kind not in get_args(Kind):
        raise ConfigurationError(
            f"--ignore {text!r}: there is no such kind of finding; give kind:table, as in "
            f"unique-without-tenant:invoice. The kinds are {', '.join(sorted(get_args(Kind)))}"
        )
    return _Ignored(text, kind, about or None)
