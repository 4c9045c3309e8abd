"""Migrates the shared tables and every place of tenants, several at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from threading import local

from ..errors import ConfigurationError
from ..placements.placement import SHARED, Placement
from .fleet import Fleet
from .paths import path_of
from .steering import Course
from .workers import Job, Outcome, Worker

__all__ = ["job_at", "migrate", "migrate_one"]


def job_at(fleet: Fleet, placement: Placement) -> Job:
    """Return what migrates a place.

    Raises:
        ConfigurationError: the project has no Alembic.
    """
    if fleet.alembic is None:
        raise ConfigurationError("the fleet has no Alembic: Fleet(alembic='alembic.ini')")
    url = (
        None
        if placement.database is None
        else fleet.url_of(placement).render_as_string(hide_password=False)
    )
    backend = fleet.url.get_backend_name()
    course = Course(backend, url, path_of(placement, fleet.schemas))
    return Job(str(placement), placement.schema, placement.database, str(fleet.alembic), course)


def migrate_one(fleet: Fleet, placement: Placement) -> Outcome:
    """Migrate one place, in a process of its own."""
    worker = Worker()
    try:
        return worker.run(job_at(fleet, placement))
    finally:
        worker.close()


def migrate(
    fleet: Fleet, placements: Iterable[Placement], *, jobs: int, continue_on_error: bool
) -> Iterator[Outcome]:
    """Migrate the shared tables, and then every place.

    Args:
        fleet: the fleet.
        placements: the places of tenants.
        jobs: the number of processes.
        continue_on_error: whether to go on after a place has failed; otherwise those that have
            begun are ended properly, and no other one is begun.

    Yields:
        What became of each, in the order in which they end.

    Raises:
        ConfigurationError: the project has no Alembic.
    """
    first = migrate_one(fleet, SHARED)
    yield first
    if first.error is not None and not continue_on_error:
        return
    places: Iterator[Placement] = iter(each for each in dict.fromkeys(placements) if each != SHARED)
    mine = local()
    workers: list[Worker] = []

    def run(placement: Placement) -> Outcome:
        if not hasattr(mine, "worker"):
            mine.worker = Worker()
            workers.append(mine.worker)
        try:
            job = job_at(fleet, placement)
        except ConfigurationError as error:
            return Outcome(str(placement), "", str(error))
        outcome: Outcome = mine.worker.run(job)
        return outcome

    try:
        with ThreadPoolExecutor(jobs) as pool:
            running = {pool.submit(run, each) for each in islice(places, jobs)}
            while running:
                done = next(as_completed(running))
                running.remove(done)
                outcome = done.result()
                if outcome.error is not None and not continue_on_error:
                    places = iter(())
                running |= {pool.submit(run, each) for each in islice(places, 1)}
                yield outcome
    finally:
        for each in workers:
            each.close()
