"""What was observed: once per place in the code, to a logger, a callback and a file."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from tenantshield_mw.forking import forkable_lock

from ..errors import ConfigurationError
from .places import Place

__all__ = ["Effect", "OnReport", "Report", "Reports", "log", "read_reports", "write_reports"]

log: Final = logging.getLogger("tenantshield_mw.observe")
"""Gets one record at level WARNING for each place."""

Effect: TypeAlias = Literal["refused", "confined"]


@dataclass(frozen=True, slots=True)
class Report:
    """What the guard would have done with a statement.

    Attributes:
        table: the table's name, with its schema if it has one; empty if that is not known, as
            of raw SQL.
        operation: ``SELECT``, ``INSERT``, ``UPDATE``, ``DELETE``, ``DDL`` or ``raw SQL``.
        effect: ``refused`` with an error, or ``confined`` to the tenant's rows although the
            statement does not compare the tenant itself.
        detail: the error's text, or what is missing.
        file: the application's file, relative to the current folder if it is inside.
        line: the number of the line, from 1.
        function: the qualified name of the function.
    """

    table: str
    operation: str
    effect: Effect
    detail: str
    file: str
    line: int
    function: str

    @property
    def key(self) -> tuple[str, ...]:
        """What stays the same if lines are inserted above."""
        return (self.file, self.function, self.table, self.operation, self.effect)

    @property
    def what(self) -> str:
        """The operation, and the table if it is known."""
        return " ".join(each for each in (self.operation, self.table) if each)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line} ({self.function})"
        return f"{place}: {self.what}: {self.effect}: {self.detail}"


OnReport: TypeAlias = Callable[[Report], object]


class Reports:
    """The reports of this process.

    Args:
        file: gets a line of JSON for each report; several processes may share it.
        on_report: called once for each.
    """

    def __init__(self, file: str | os.PathLike[str] | None, on_report: OnReport | None) -> None:
        self._file = None if file is None else Path(file)
        self._on_report = on_report
        self._seen: dict[tuple[object, ...], Report] = {}
        self._lock = forkable_lock()
        if self._file is not None:
            # Fails now rather than in the middle of a request.
            self._file.touch()

    @property
    def all(self) -> list[Report]:
        """The reports so far, by file and line."""
        with self._lock:
            return sorted(self._seen.values(), key=_order)

    def add(self, place: Place, table: str, operation: str, effect: Effect, detail: str) -> None:
        """Report what the guard would have done, unless this place was reported."""
        found = Report(table, operation, effect, detail, place.file, place.line, place.function)
        key = (*found.key, found.line)
        with self._lock:
            if key in self._seen:
                return
            self._seen[key] = found
            if self._file is not None:
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(found)) + "\n")
        log.warning("%s", found)
        if self._on_report is not None:
            self._on_report(found)


def _order(report: Report) -> tuple[str, int, str, str]:
    return (report.file, report.line, report.table, report.operation)


def read_reports(file: str | os.PathLike[str]) -> list[Report]:
    """Return the reports in ``file``, each once, by file and line.

    Raises:
        ConfigurationError: there is no such file, or a line of it is no report.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigurationError(f"{os.fspath(file)}: {error.strerror}") from error
    found: dict[tuple[object, ...], Report] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        report = _read(line, f"{os.fspath(file)}, line {number}")
        found[(*report.key, report.line)] = report
    return sorted(found.values(), key=_order)


def _read(line: str, where: str) -> Report:
    try:
        values: Any = json.loads(line)
        report = Report(**values)
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"{where} is no report: give the file that observe(file=...) wrote"
        ) from None
    kinds = {each: type(value) for each, value in asdict(report).items()}
    if any(kind is not (int if each == "line" else str) for each, kind in kinds.items()):
        raise ConfigurationError(f"{where} is no report: a value has the wrong type")
    return report


def write_reports(file: str | os.PathLike[str], reports: Iterable[Report]) -> None:
    """Replace ``file`` by these reports."""
    lines = [json.dumps(asdict(each)) + "\n" for each in sorted(reports, key=_order)]
    Path(file).write_text("".join(lines), encoding="utf-8")
