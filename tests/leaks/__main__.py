"""Run the catalogue for this project, for its peers and for no protection; print the table.

Usage: ``python -m tests.leaks [--without-peers]``. The environments of the peers are
made in ``.leaks/``. The summary is written to ``docs/leaks.md``.

The exit status is 0 only if nothing crossed and nothing legitimate was broken.
"""

from __future__ import annotations

import argparse
import sys

from tests.databases import NAMES, why_unavailable

from .protections import PEERS
from .report import Column, print_table, summary
from .results import PLACED, ROOT, Placed, environment, run_apart


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.leaks", description=__doc__)
    parser.add_argument(
        "--without-peers", action="store_true", help="run this project and no protection only"
    )
    peers = [] if parser.parse_args().without_peers else list(PEERS)
    names = []
    for name in NAMES:
        reason = why_unavailable(name)
        if reason is None:
            names.append(name)
        else:
            print(f"left out: {reason}")
    ours = run_apart("ours", names)
    columns = [
        Column(f"tenantshield-mw, {name}", [each for each in ours if each.database == name])
        for name in names
    ]
    columns += [
        Column("guard and policies, postgresql", run_apart("ours_with_policies", ["postgresql"])),
        Column("policies alone, postgresql", run_apart("policies_alone", ["postgresql"])),
    ]
    columns.append(Column("no protection, sqlite", run_apart("none", ["sqlite"])))
    for peer in peers:
        results = run_apart(peer, ["sqlite"], python=environment(peer))
        columns.append(Column(f"{PEERS[peer].replace('==', ' ')}, sqlite", results))
    placed = [
        Column(_title(each), run_apart(each.protection, [each.database], place=each.place))
        for each in PLACED
        if each.database in names
    ]
    print_table([*columns, *placed])
    text = summary(columns, placed)
    print(text)
    if peers and len(names) == len(NAMES):
        (ROOT / "docs" / "leaks.md").write_text(text)
    own = [*columns[: len(names) + 1], *placed]
    return 0 if all(column.is_tight for column in own) else 1


def _title(each: Placed) -> str:
    protection = "tenantshield-mw" if each.protection == "ours" else "guard and policies"
    where = "all three kinds at once" if each.place == "at once" else f"in a {each.place}"
    return f"{protection}, {each.database}, {where}"


if __name__ == "__main__":
    sys.exit(main())
