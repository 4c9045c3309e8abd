"""The results of one protection, in this process or in an environment of its own."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

import sqlalchemy

from tests.databases import DatabaseName

from .arena import FLAVOURS, Arena, Flavour, arena
from .catalogue import Way, catalogue, legitimate_operations
from .protections import PEERS, Protection, load
from .schema import Models

if TYPE_CHECKING:
    from .at_once import AtOnce
    from .placed import PlaceKind

__all__ = [
    "ENVIRONMENTS",
    "PLACED",
    "Placed",
    "Result",
    "collect",
    "environment",
    "run_apart",
]

ROOT: Final = Path(__file__).parents[2]

ENVIRONMENTS: Final = ROOT / ".leaks"
"""Where the environments of the peers are; not part of the repository."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one way, on one database, in one flavour."""

    name: str
    theme: str
    kind: str
    database: str
    flavour: str
    verdict: str
    detail: str
    open: bool
    harmless: bool
    beyond_policies: bool


Everywhere: TypeAlias = 'PlaceKind | Literal["at once"]'
"""Where tenants are: all in one kind of place, or in all kinds at once."""


_PLACE: Final = "--place="


class Placed(NamedTuple):
    """Where the catalogue is run besides shared tables.

    Attributes:
        protection: a module in ``protections/``.
        database: which kind of database.
        place: where the tenants are.
    """

    protection: str
    database: DatabaseName
    place: Everywhere


PLACED: Final = (
    Placed("ours", "sqlite", "database"),
    Placed("ours", "mariadb", "database"),
    Placed("ours", "postgresql", "database"),
    Placed("ours", "postgresql", "schema"),
    Placed("ours", "postgresql", "at once"),
    Placed("ours_with_policies", "postgresql", "database"),
    Placed("ours_with_policies", "postgresql", "schema"),
    Placed("ours_with_policies", "postgresql", "at once"),
)


def collect(
    protection_name: str,
    databases: Iterable[DatabaseName],
    *,
    each_flavour: bool = True,
    place: Everywhere | None = None,
) -> list[Result]:
    """Run the whole catalogue in this process.

    Args:
        protection_name: a module in ``protections/``.
        databases: on which to run.
        each_flavour: if not, what can run sync is not run async as well.
        place: where the tenants are, if not in shared tables.
    """
    protection = load(protection_name)
    models = Models(protection)
    opened = "open_still" if protection.has_policies else "open"
    found: list[Result] = []
    with asyncio.Runner() as runner:
        for name in databases:
            with _arena(protection, models, name, runner, place) as home:
                for way in [*catalogue(), *legitimate_operations()]:
                    for flavour in FLAVOURS if each_flavour else (_one_flavour(way),):
                        outcome = home.run(way, flavour)
                        found.append(
                            Result(
                                way.name,
                                way.theme,
                                way.kind,
                                name,
                                flavour,
                                outcome.verdict,
                                outcome.detail,
                                getattr(way, opened) is not None,
                                way.harmless is not None,
                                way.beyond_policies is not None,
                            )
                        )
    return found


def _arena(
    protection: Protection,
    models: Models,
    name: DatabaseName,
    runner: asyncio.Runner,
    place: Everywhere | None,
) -> AbstractContextManager[Arena | AtOnce]:
    if place is None:
        return arena(protection, models, name, runner)
    # Imported here: when other packages are tested, this package is not installed.
    from .at_once import at_once
    from .placed import AT

    if place == "at once":
        return at_once(protection, models, runner)
    return arena(replace(protection, at=AT[place]), models, name, runner, place=place)


def _one_flavour(way: Way) -> Flavour:
    return "async" if inspect.iscoroutinefunction(way.run) else "sync"


def run_apart(
    protection_name: str,
    databases: Iterable[DatabaseName],
    *,
    python: str | Path = sys.executable,
    each_flavour: bool = True,
    place: Everywhere | None = None,
) -> list[Result]:
    """Run the whole catalogue in a process of its own.

    A table is known by its name, so one process can mark it for one protection only.

    Args:
        protection_name: a module in ``protections/``.
        databases: on which to run.
        python: the interpreter.
        each_flavour: see :func:`collect`.
        place: see :func:`collect`.

    Raises:
        RuntimeError: the process failed; the message has the end of what it said.
    """
    with tempfile.TemporaryDirectory(prefix="tenantshield-leaks-") as folder:
        target = Path(folder) / "results.json"
        command = [str(python), "-m", "tests.leaks.results", protection_name, str(target)]
        command += [*databases, *([] if each_flavour else ["--one-flavour"])]
        command += [] if place is None else [f"{_PLACE}{place}"]
        here = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=ROOT, env=here, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
        return [Result(**each) for each in json.loads(target.read_text())]


def environment(peer: str) -> Path:
    """Return the interpreter of an environment with ``peer`` installed, made if need be.

    Args:
        peer: one of :data:`~tests.leaks.protections.PEERS`.

    Raises:
        subprocess.CalledProcessError: it could not be made, see what pip said.
    """
    wanted = [
        PEERS[peer],
        f"sqlalchemy[asyncio]=={sqlalchemy.__version__}",
        f"aiosqlite=={metadata.version('aiosqlite')}",
    ]
    folder = ENVIRONMENTS / peer
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    done = folder / "installed.txt"
    if not done.exists() or done.read_text() != "\n".join(wanted):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*install, *wanted], check=True)
        done.write_text("\n".join(wanted))
    return python


def _main(protection_name: str, target: str, *options: str) -> None:
    # A warning that is an error counts as one here too, as in the test suite; a peer's
    # own warnings are its own affair.
    if protection_name not in PEERS:
        warnings.simplefilter("error")
    names: list[DatabaseName] = [
        each for each in ("sqlite", "postgresql", "mariadb") if each in options
    ]
    places: list[Any] = [each.removeprefix(_PLACE) for each in options if each.startswith(_PLACE)]
    found = collect(
        protection_name,
        names,
        each_flavour="--one-flavour" not in options,
        place=places[0] if places else None,
    )
    Path(target).write_text(json.dumps([asdict(each) for each in found]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
