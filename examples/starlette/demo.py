"""Attack the example from two tenants: ``python -m examples.starlette.demo``.

The application runs under uvicorn and is called over HTTP. Every outcome is judged by the
response, and by the contents of the database, read with the ``sqlite3`` module.
"""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import uvicorn

from examples.invoices.attempts import ATTEMPTS, Attempt
from examples.invoices.contents import read_contents
from examples.invoices.seed import TENANTS, seed

from .app import create_app
from .caller import Caller
from .judgement import Answer, Verdict, judge
from .views import VIEWS

__all__ = ["main"]

_FIRST, _SECOND = TENANTS


@dataclass(frozen=True)
class Line:
    """A line of the table: one attempt, and its verdict for each of the two tenants."""

    attempt: Attempt
    verdicts: Sequence[Verdict]

    @property
    def outcome(self) -> str:
        if any(verdict.crossed for verdict in self.verdicts):
            return "CROSSED"
        return "kept apart" if self.is_clean else "UNEXPECTED"

    @property
    def is_clean(self) -> bool:
        return all(verdict.is_clean for verdict in self.verdicts)


def send(client: httpx.Client, attempt: Attempt, caller: Caller) -> Answer:
    names = {"own": [caller.tenant_id], "none": [], "both": [_FIRST, _SECOND]}
    response = client.request(
        attempt.method,
        caller.path(attempt),
        headers=[("X-Tenant-ID", name) for name in names[attempt.tenants]],
        json=caller.body(attempt),
    )
    kind = response.headers.get("content-type", "")
    return Answer(response.status_code, kind == "application/problem+json", response.text)


def run(attempts: Iterable[Attempt], client: httpx.Client, database: Path) -> list[Line]:
    lines = []
    for attempt in attempts:
        verdicts = []
        for me, other in ((_FIRST, _SECOND), (_SECOND, _FIRST)):
            caller = Caller(me, other, read_contents(database))
            answer = send(client, attempt, caller)
            verdicts.append(judge(attempt, caller, answer, read_contents(database)))
        lines.append(Line(attempt, verdicts))
    return lines


def table(title: str, lines: Sequence[Line]) -> str:
    """Return the lines as a table, followed by everything that is wrong."""
    rows = [[title, "request", f"{_FIRST} got", f"{_SECOND} got", "outcome"]]
    rows += [
        [
            line.attempt.name,
            f"{line.attempt.method} {line.attempt.path}",
            *(verdict.got for verdict in line.verdicts),
            line.outcome,
        ]
        for line in lines
    ]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    text += [
        f"  ! {line.attempt.name}, as {name}: {finding}"
        for line in lines
        for name, verdict in zip((_FIRST, _SECOND), line.verdicts, strict=True)
        for finding in (*verdict.crossed, *verdict.unexpected)
    ]
    return "\n".join(text)


def demonstrate(address: str, database: Path) -> bool:
    """Print both tables; return whether every result was as expected."""
    with httpx.Client(base_url=address, trust_env=False) as client:
        views = run(VIEWS, client, database)
        attempts = run(ATTEMPTS, client, database)
    crossed = sum(line.outcome == "CROSSED" for line in attempts)
    is_clean = all(line.is_clean for line in (*views, *attempts))
    print(table("each tenant sees", views))
    print()
    print(table("each tenant tries", attempts))
    print()
    print(f"{crossed} of {len(attempts)} attempts crossed from one tenant to the other.")
    if not is_clean and not crossed:
        print("Some results were not as expected, see above.")
    return is_clean


def serve_and_demonstrate(folder: Path, *, once: bool, since: int | None = None) -> bool:
    database = folder / "invoices.sqlite3"
    seed(database)
    # The socket listens from here on: a client that connects before the server has started
    # waits, and is disconnected if the server does not start.
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(create_app(database), log_level="warning"))

    stopped = threading.Event()

    def serve() -> None:
        try:
            with listening:
                server.run(sockets=[listening])
        finally:
            stopped.set()

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        is_clean = demonstrate(address, database)
        if since is not None:
            print(f"Done in {time.time() - since:.0f} s.", flush=True)
        if not once:
            # Not join(): up to Python 3.12 a thread whose join() is interrupted counts as ended.
            with suppress(KeyboardInterrupt):
                print(f"\nServing on {address} until Ctrl-C. Try:\n")
                print(f"  {address}/ in a browser")
                print(f'  curl -H "X-Tenant-ID: {_FIRST}" {address}/invoices', flush=True)
                stopped.wait()
        return is_clean
    finally:
        server.should_exit = True
        serving.join()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration.

    Returns:
        The exit status: 0 only if nothing crossed and every result was as expected.
    """
    parser = argparse.ArgumentParser(prog="python -m examples.starlette.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop after the tables")
    parser.add_argument(
        "--since",
        type=int,
        metavar="SECONDS",
        help="the start time in seconds since 1970; prints the elapsed time",
    )
    options = parser.parse_args(arguments)
    # The log of each refusal would appear between the lines.
    logging.getLogger("tenantshield_mw").addHandler(logging.NullHandler())
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with TemporaryDirectory(prefix="invoices-") as folder:
        is_clean = serve_and_demonstrate(Path(folder), once=options.once, since=options.since)
        return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
