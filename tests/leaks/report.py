"""The results as a table, and in short."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import sqlalchemy

from .results import Result

__all__ = ["Column", "print_table", "summary"]

_PREFACE = """\
Written by `make leaks`, which prints the whole table; the ways stand in `tests/leaks/`.
SQLAlchemy {sqlalchemy}, Python {python}. Each way runs sync and async, and the worse of
the two counts. A read is judged by the values that it returned, a write by what the
database holds afterwards, read by its driver. "Other error" is neither a leak nor a
refusal, but an error of SQLAlchemy's or the database's."""

_WORST_FIRST = ("LEAK", "wrong", "confined", "refused", "n/a")


@dataclass
class Column:
    """One column of the table: a protection on a database, sync and async in one."""

    title: str
    results: list[Result]
    cells: dict[tuple[str, str], str] = field(init=False)

    def __post_init__(self) -> None:
        self.cells = {}
        for each in self.results:
            key = (each.kind, each.name)
            verdicts = (each.verdict, self.cells.get(key, "n/a"))
            self.cells[key] = min(verdicts, key=_WORST_FIRST.index)

    def count(self, ways: Iterable[tuple[str, str]]) -> Counter[str]:
        """Return how many of ``ways`` ended in each verdict."""
        return Counter(self.cells[each] for each in ways)

    @property
    def is_tight(self) -> bool:
        """Say whether nothing crossed, but for what is open by nature, and nothing broke."""
        return all(
            each.verdict in ("confined", "refused", "n/a") or (each.open and each.verdict == "LEAK")
            for each in self.results
        )


def print_table(columns: list[Column]) -> None:
    """Print a line for every way and operation."""
    width = max(len(name) for _, name in columns[0].cells)
    print(" " * width, *(f"[{n}]".ljust(9) for n in range(1, len(columns) + 1)))
    for kind, name in columns[0].cells:
        cells = (_said(column.cells[kind, name], kind).ljust(9) for column in columns)
        print(name.ljust(width), *cells)
    for number, column in enumerate(columns, 1):
        print(f"[{number}] {column.title}")
    print()


def _said(verdict: str, kind: str) -> str:
    if kind == "legitimate":
        return {"confined": "right", "n/a": "n/a"}.get(verdict, "WRONG")
    return "error" if verdict == "wrong" else verdict


def summary(columns: list[Column], own: int) -> str:
    """Return the totals, as Markdown.

    Args:
        columns: all of them.
        own: how many of them are this project's.
    """
    first = columns[0]
    opened = {(each.kind, each.name) for each in first.results if each.open}
    ways = [each for each in first.cells if each[0] != "legitimate" and each not in opened]
    operations = [each for each in first.cells if each[0] == "legitimate"]
    lines = [
        "# Ways across",
        "",
        *_PREFACE.format(
            sqlalchemy=sqlalchemy.__version__, python=platform.python_version()
        ).splitlines(),
        "",
        f"## {len(ways)} ways to another tenant's rows",
        "",
        "| | leak | refused | confined | other error | n/a |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for column in columns:
        counted = column.count(ways)
        figures = (counted[verdict] for verdict in ("LEAK", "refused", "confined", "wrong", "n/a"))
        lines.append(f"| {column.title} | {' | '.join(str(each) for each in figures)} |")
    lines += [
        "",
        "n/a: the database or the flavour has no such form, or the protection has no way to",
        "declare what the way is about (a table tied to a tenant through a foreign key, a `Table`",
        "without a model, another name for the tenant column, a tenant that is in scope for code",
        "and not for one session object, a tenant left out of statements).",
        "",
        f"## {len(operations)} legitimate operations",
        "",
        "| | right | wrong | n/a |",
        "| --- | --: | --: | --: |",
    ]
    for column in columns:
        if column.title.startswith("no protection"):
            continue
        counted = column.count(operations)
        wrong = sum(counted.values()) - counted["confined"] - counted["n/a"]
        lines.append(f"| {column.title} | {counted['confined']} | {wrong} | {counted['n/a']} |")
    lines += [
        "",
        "## Leaks by theme",
        "",
        "| theme | ways |" + "".join(f" [{n}] |" for n in range(1, len(columns) + 1)),
    ]
    lines.append("| --- | --: |" + " --: |" * len(columns))
    for theme in dict.fromkeys(each.theme for each in first.results):
        themed = [
            (each.kind, each.name)
            for each in {(r.kind, r.name): r for r in first.results if r.theme == theme}.values()
            if (each.kind, each.name) in set(ways)
        ]
        if themed:
            leaks = "".join(f" {column.count(themed)['LEAK']} |" for column in columns)
            lines.append(f"| {theme.replace('_', ' ')} | {len(themed)} |{leaks}")
    lines += ["", *(f"[{n}] {column.title}  " for n, column in enumerate(columns, 1))]
    lines += [
        "",
        "## Open by nature",
        "",
        *(f"- {name.removeprefix('open: ')}" for _, name in sorted(opened)),
    ]
    lines += [
        "",
        f"These {len(opened)} are tested to be open; `SECURITY.md` says what covers them.",
        "",
    ]
    return "\n".join(lines)
