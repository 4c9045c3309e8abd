"""Run the clients against the server, directly or through PgBouncer, with faults."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import secrets
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

import psycopg
from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tenantshield_mw.adapters.sqlalchemy import rls
from tenantshield_mw.adapters.sqlalchemy.placements import Placement, Placements, Schemas
from tests.pgbouncer import pgbouncer

from .ledger import Verdict, compare
from .schema import Roles, prepare
from .server import Server, server
from .steps import Client
from .tally import Tally
from .transactions import PAUSE, draw, once, once_async

__all__ = ["PARTS", "Broken", "Figures", "Part", "Settings", "run"]

Part: TypeAlias = Literal["direct", "pgbouncer", "signed", "schemas"]

PARTS: Final[tuple[Part, ...]] = get_args(Part)

Broken: TypeAlias = Literal["tenant", "commit"]
"""What is wrong on purpose: the tenant is told for the session, with the guard off; or the
server acknowledges commits that it has not written down."""


@dataclass(frozen=True)
class Settings:
    """The size of a run.

    Attributes:
        seed: decides what the clients do and who is hit, though not in which order.
        clients: how many there are at a time, in threads and tasks.
        tenants: how many tenants they work for.
        connections: how many the server gives them.
        read: how many rows each part reads at least.
        written: how many rows each part writes at least.
        transactions_a_fault: how many there are between two ended connections.
        restarts: how many in each part.
        pool_timeout: how many seconds a client waits for a connection.
        patience: how many seconds may go by without any transaction.
        broken: what is wrong on purpose.
    """

    seed: int
    clients: int = 200
    tenants: int = 50
    connections: int = 10
    read: int = 500_000
    written: int = 25_000
    transactions_a_fault: int = 100
    restarts: int = 1
    pool_timeout: float = 3.0
    patience: float = 120.0
    broken: Broken | None = None


@dataclass
class Figures:
    """The results of one part."""

    part: Part
    tally: Tally = field(default_factory=Tally)
    verdict: Verdict = field(default_factory=Verdict)
    acknowledged: int = 0
    unknown: int = 0
    stored: int = 0
    misplaced: int = 0
    terminations: int = 0
    restarts: int = 0
    durable: str = ""
    seconds: float = 0.0

    @property
    def wrong(self) -> int:
        """The rows that were read, changed or stored under the wrong tenant."""
        return self.tally.wrong.total() + self.misplaced

    @property
    def is_good(self) -> bool:
        """Whether no row was wrong, lost, missing or restored after a rollback."""
        return not (
            self.wrong
            or self.verdict.lost
            or self.verdict.undead
            or self.verdict.unexplained
            or self.tally.missing
            or self.tally.unexpected
        )


def run(
    settings: Settings, part: Part, *, told: Callable[[str], None] = lambda said: None
) -> Figures:
    """Run one part on a separate server, and compare the database with the ledgers.

    Args:
        settings: how long, and how much at once.
        part: by which way the clients go to the server.
        told: is called with how far it has come, from time to time.

    Raises:
        TimeoutError: nothing went on for too long.
    """
    figures = Figures(part)
    began = time.monotonic()
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        there = stack.enter_context(server())
        key = secrets.token_bytes(32) if part == "signed" else None
        schemas = _tenants(settings) if part == "schemas" else []
        roles = prepare(there.here, key=key, schemas=schemas)
        if settings.broken == "commit":
            there.here.run(
                f"ALTER ROLE {roles.application} SET synchronous_commit = off",
                "ALTER SYSTEM SET wal_writer_delay = '10s'",
                "SELECT pg_reload_conf()",
            )
        folder = there.folder
        if part != "direct":
            folder = stack.enter_context(
                pgbouncer(
                    there.folder,
                    users=[roles.application],
                    size=settings.connections,
                    reset=settings.broken != "tenant",
                )
            )
        clients = _clients(settings, part)
        if settings.broken == "tenant":
            _seed_rows(there, clients)
        engines = _Engines(settings, there, roles, folder, key, pooled=part != "direct")
        if schemas:
            engines.place(schemas)
        soak = _Soak(settings, figures, there, roles, clients, engines, told)
        asyncio.run(soak.run())
        for client in clients:
            figures.tally.add(client.tally)
            figures.acknowledged += client.ledger.acknowledged
            figures.unknown += client.ledger.unknown
        _judge(figures, there, roles, clients, seeded=settings.broken == "tenant")
        if schemas:
            figures.misplaced += _not_at_home(there, schemas)
    figures.seconds = time.monotonic() - began
    return figures


def _tenants(settings: Settings) -> list[str]:
    return [f"tenant-{number}" for number in range(settings.tenants)]


def _not_at_home(there: Server, schemas: list[str]) -> int:
    """Return how many rows are in another place than their tenant's schema."""
    counts = [f"SELECT count(*) FROM public.{each}" for each in ("soak_entry", "soak_detail")]
    counts += [
        f"""SELECT count(*) FROM "{each}".soak_entry WHERE tenant_id <> '{each}'"""
        for each in schemas
    ]
    return sum(there.here.read(each)[0][0] for each in counts)


def _clients(settings: Settings, part: Part) -> list[Client]:
    clients = [
        Client(
            number,
            _tenants(settings)[number % settings.tenants],
            random.Random(f"{settings.seed} {part} {number}"),
        )
        for number in range(settings.clients)
    ]
    for client in clients:
        client.foreigner = clients[(client.number + 1) % len(clients)]
        assert client.foreigner.tenant != client.tenant
    return clients


def _seed_rows(there: Server, clients: list[Client]) -> None:
    there.here.run(
        *(
            "INSERT INTO soak_entry (tenant_id, owner, name, token) "
            f"VALUES ('{each.tenant}', '{each.tenant}', 'seed-{each.number}', 'seed')"
            for each in clients
        )
    )


def _judge(
    figures: Figures, there: Server, roles: Roles, clients: list[Client], *, seeded: bool
) -> None:
    here = there.here
    # In each tenant's schema, or in the only one.
    places = here.read("SELECT schemaname FROM pg_tables WHERE tablename = 'soak_entry'")
    stored: dict[str, str] = {}
    for (place,) in places:
        stored |= dict(here.read(f'SELECT name, token FROM "{place}".soak_entry'))
    if seeded:
        stored = {name: token for name, token in stored.items() if token != "seed"}
    figures.stored = len(stored)
    figures.verdict = compare([each.ledger for each in clients], stored)
    for (place,) in places:
        [(entries,)] = here.read(
            f'SELECT count(*) FROM "{place}".soak_entry WHERE tenant_id <> owner'
        )
        [(details,)] = here.read(
            f'SELECT count(*) FROM "{place}".soak_detail AS d '
            f'JOIN "{place}".soak_entry AS e ON e.id = d.entry_id WHERE d.owner <> e.owner'
        )
        figures.misplaced += entries + details
    # The same as in the application.
    url = roles.url(here.url, there.folder).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(), autocommit=True) as connection:
        settings = ("fsync", "full_page_writes", "synchronous_commit")
        found = [(each, *connection.execute(f"SHOW {each}")) for each in settings]
    figures.durable = ", ".join(f"{name} {value}" for name, (value,) in found)


class _Engines:
    """The application's engines: two for tasks, one for threads with half as many connections."""

    def __init__(
        self,
        settings: Settings,
        there: Server,
        roles: Roles,
        folder: str,
        key: bytes | None,
        *,
        pooled: bool,
    ) -> None:
        # Without PgBouncer the pools are the bottleneck; with it, its connections to the server.
        clients = settings.clients // 4 if pooled else settings.connections
        pool: dict[str, Any] = {"max_overflow": 0, "pool_timeout": settings.pool_timeout}
        plain: dict[str, Any] = {"connect_args": {"prepare_threshold": None}}
        asyncpg: dict[str, Any] = {**pool, "pool_size": max(1, clients * 4 // 10)}
        if pooled:
            asyncpg = {
                "poolclass": NullPool,
                "connect_args": {
                    "statement_cache_size": 0,
                    "prepared_statement_cache_size": 0,
                    "prepared_statement_name_func": lambda: f"__asyncpg_{uuid.uuid4()}__",
                },
            }
        url, async_url = there.here.url, there.here.async_url
        self.psycopg: AsyncEngine = create_async_engine(
            roles.url(url, folder), **plain, **pool, pool_size=max(1, clients * 4 // 10)
        )
        self.asyncpg: AsyncEngine = create_async_engine(roles.url(async_url, folder), **asyncpg)
        self.threads: Engine = create_engine(
            roles.url(url, folder), **plain, **pool, pool_size=max(1, clients * 2 // 10)
        )
        if settings.broken != "tenant":
            for each in (self.psycopg, self.asyncpg, self.threads):
                rls.enforce(each, key=key, system_role=roles.system, pooled=pooled)

    def place(self, schemas: list[str]) -> None:
        """Let each tenant have its schema."""
        places = {each: Placement(schema=each) for each in schemas}
        for each in (self.psycopg, self.asyncpg, self.threads):
            Placements(each, schemas=Schemas(), of=lambda tenant: places[str(tenant.tenant_id)])

    async def dispose(self) -> None:
        await self.psycopg.dispose()
        await self.asyncpg.dispose()
        self.threads.dispose()


@dataclass
class _Soak:
    """One part while it runs."""

    settings: Settings
    figures: Figures
    there: Server
    roles: Roles
    clients: list[Client]
    engines: _Engines
    told: Callable[[str], None]
    done: threading.Event = field(default_factory=threading.Event)

    async def run(self) -> None:
        threads = [each for each in self.clients if each.number % 20 >= 17]
        with ThreadPoolExecutor(len(threads) or 1) as executor:
            loop = asyncio.get_running_loop()
            running = [loop.run_in_executor(executor, self._in_thread, each) for each in threads]
            try:
                async with asyncio.TaskGroup() as group:
                    for each in self.clients:
                        if each not in threads:
                            group.create_task(self._in_tasks(each))
                    group.create_task(self._faults())
            finally:
                self.done.set()
                await asyncio.gather(*running)
                await self.engines.dispose()

    def _in_thread(self, client: Client) -> None:
        while not self.done.is_set():
            plan = draw(client, broken=self.settings.broken == "tenant")
            if not once(client, self.engines.threads, plan):
                self.done.wait(PAUSE)

    async def _in_tasks(self, client: Client) -> None:
        engine = self.engines.psycopg if client.number % 20 < 9 else self.engines.asyncpg
        while not self.done.is_set():
            plan = draw(client, broken=self.settings.broken == "tenant")
            if not await once_async(client, engine, plan):
                await asyncio.sleep(PAUSE)

    async def _faults(self) -> None:
        """Terminate connections and restart the server, depending on the clients' progress."""
        settings, figures = self.settings, self.figures
        lots = random.Random(settings.seed)
        last, since, next_fault = 0, time.monotonic(), settings.transactions_a_fault
        next_word = 0.1
        try:
            while (share := self._share()) < 1 or figures.restarts < settings.restarts:
                if share >= next_word:
                    self.told(f"  {share:.0%}, {figures.terminations} connections terminated")
                    next_word = share + 0.1
                transactions = sum(each.tally.transactions for each in self.clients)
                if transactions != last:
                    last, since = transactions, time.monotonic()
                elif time.monotonic() - since > settings.patience:
                    raise TimeoutError(f"no transaction for {settings.patience:.0f} seconds")
                if transactions >= next_fault:
                    next_fault = transactions + settings.transactions_a_fault
                    figures.terminations += await asyncio.to_thread(
                        self.there.terminate_one, self.roles.application, lots.random()
                    )
                if share > (figures.restarts + 1) / (settings.restarts + 1):
                    await asyncio.to_thread(self.there.restart)
                    figures.restarts += 1
                    self.told("  restarted the server")
                    since = time.monotonic()
                await asyncio.sleep(0.02)
        finally:
            self.done.set()

    def _share(self) -> float:
        """Return the completed fraction of the run."""
        read = sum(each.tally.read for each in self.clients)
        written = sum(each.ledger.acknowledged for each in self.clients)
        settings = self.settings
        if settings.broken == "tenant":
            return read / settings.read
        return min(read / settings.read, written / settings.written)


@contextmanager
def _quiet() -> Generator[None]:
    """Suppress messages about connections that were terminated on purpose.

    The cursor of a task that was cancelled in between is left to the garbage collector,
    and psycopg would rather have it closed. So is the connection, if it was terminated while
    the task was being cancelled.
    """
    loggers = [logging.getLogger(name) for name in ("sqlalchemy.pool", "asyncio", "psycopg")]
    before = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            warnings.filterwarnings("ignore", "The garbage collector is trying to clean up")
            yield
            gc.collect()
    finally:
        for each, level in zip(loggers, before, strict=True):
            each.setLevel(level)
