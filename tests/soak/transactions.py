"""The transactions of one client, in a thread or as tasks: what is in them is drawn, how they
end too, and what was acknowledged goes into the client's ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import asyncpg
import psycopg
from sqlalchemy import Engine, select, text
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from tenantshield_mw import MissingTenantContextError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.placements import Placement

from .schema import VIEW, Entry
from .steps import EVIL, READS, WRITES, Client, Step, Turn, raw, sqlstate_of

__all__ = ["PAUSE", "ApplicationError", "draw", "once", "once_async"]

PAUSE: Final = 0.05
"""Seconds that a client waits after a lost connection, before it tries again."""

Ending: TypeAlias = Literal["commit", "roll back", "raise"]


class ApplicationError(Exception):
    """An error in the application itself."""


@dataclass
class Plan:
    """The plan of one transaction.

    Attributes:
        scope: what it runs in.
        steps: what it does.
        ending: how it ends.
        streams: whether it reads through a cursor on the server too, which only tasks can.
        cancel_at: before which step a task is cancelled, or soon after; ``None`` for never.
        cancel_in: how many seconds after.
        prelude: what runs in a transaction of its own before.
    """

    scope: Callable[[], AbstractContextManager[Any]]
    steps: list[Step]
    ending: Ending = "commit"
    streams: bool = False
    cancel_at: int | None = None
    cancel_in: float = 0.0
    prelude: Step | None = field(default=None, kw_only=True)


def draw(client: Client, *, broken: bool) -> Plan:
    """Return the next plan of ``client``.

    Args:
        client: one whose turn it is.
        broken: leave the guard out, and tell the database the tenant for the session
            instead of for the transaction, as if each client had a connection of its own.
    """
    rng = client.rng
    if broken:
        steps = [rng.choice(READS) for _ in range(3)]
        return Plan(lambda: system_scope("to be found out"), steps, prelude=_set_for_session)
    kind = rng.random()
    if kind < 0.02:
        return Plan(nullcontext, [_nobody])
    if kind < 0.04:
        # Engines without placements ignore it.
        at = Placement(schema=client.tenant)
        return Plan(lambda: system_scope("soak", at=at), [_everybody])
    steps = [rng.choice(READS) for _ in range(rng.randrange(1, 4))]
    if kind < 0.7:
        steps += [rng.choice(WRITES) for _ in range(rng.randrange(1, 5))]
    if rng.random() < 0.1:
        steps.append(rng.choice(EVIL))
    rng.shuffle(steps)
    plan = Plan(lambda: tenant_scope(client.tenant), steps, streams=rng.random() < 0.1)
    plan.ending = rng.choices(("commit", "roll back", "raise"), (84, 8, 8))[0]
    if rng.random() < 0.04:
        # The last one is the commit.
        plan.cancel_at = rng.randrange(len(steps) + 2)
        plan.cancel_in = rng.random() * 0.01
    return plan


def _set_for_session(session: Session, turn: Turn) -> None:
    setting = text("SELECT set_config('tenantshield.text', :tenant, false)")
    session.execute(setting, {"tenant": turn.client.tenant})


def _nobody(session: Session, turn: Turn) -> None:
    found = raw(session, "SELECT owner FROM soak_entry") + raw(session, f"SELECT owner FROM {VIEW}")
    turn.client.tally.wrong["with no tenant in scope"] += len(found)
    try:
        session.execute(select(Entry.owner)).all()
    except MissingTenantContextError:
        turn.client.tally.refused += 1
    else:
        turn.client.tally.wrong["with no tenant in scope"] += 1


def _everybody(session: Session, turn: Turn) -> None:
    found = [
        *raw(session, "SELECT tenant_id, owner FROM soak_entry"),
        *session.execute(select(Entry.tenant_id, Entry.owner)),
    ]
    turn.client.tally.read += len(found)
    turn.client.tally.wrong["stored"] += sum(tenant != owner for tenant, owner in found)


def once(client: Client, engine: Engine, plan: Plan) -> bool:
    """Run one transaction; return whether it ended as planned.

    Args:
        client: whose it is.
        engine: of the application.
        plan: what it does; it is not cancelled.
    """
    turn = Turn(client)
    try:
        with plan.scope(), Session(engine) as session:
            if plan.prelude is not None:
                plan.prelude(session, turn)
                session.commit()
            for step in plan.steps:
                step(session, turn)
            if plan.ending == "commit":
                try:
                    session.commit()
                except BaseException:
                    _lose_sight(turn)
                    raise
                _acknowledge(turn)
            elif plan.ending == "roll back":
                session.rollback()
                _roll_back(turn)
            else:
                raise ApplicationError
    except Exception as error:
        return _note(client, error)
    finally:
        _roll_back(turn)
    client.tally.transactions += 1
    return True


async def once_async(client: Client, engine: AsyncEngine, plan: Plan) -> bool:
    """The same in a separate task, which may be cancelled."""
    task = asyncio.create_task(_once_async(client, engine, plan))
    try:
        return await task
    except asyncio.CancelledError:
        if plan.cancel_at is None or not task.cancelled():
            raise
        client.tally.cancellations += 1
        return True


async def _once_async(client: Client, engine: AsyncEngine, plan: Plan) -> bool:
    turn = Turn(client)
    try:
        with plan.scope():
            _cancel_at(0, plan)
            async with AsyncSession(engine) as session:
                if plan.prelude is not None:
                    await session.run_sync(plan.prelude, turn)
                    await session.commit()
                await _run(session, turn, plan)
                if plan.ending == "commit":
                    try:
                        await session.commit()
                    except BaseException:
                        _lose_sight(turn)
                        raise
                    # Nothing is awaited in between, so no cancellation can happen here.
                    _acknowledge(turn)
                elif plan.ending == "roll back":
                    await session.rollback()
                    _roll_back(turn)
                else:
                    raise ApplicationError
    except Exception as error:
        return _note(client, error)
    finally:
        _roll_back(turn)
    client.tally.transactions += 1
    return True


async def _run(session: AsyncSession, turn: Turn, plan: Plan) -> None:
    for number, step in enumerate(plan.steps, 1):
        await session.run_sync(step, turn)
        _cancel_at(number, plan)
    if plan.streams:
        result = await session.stream(select(Entry.owner, Entry.name))
        turn.see_all("stream", [row async for row in result])


def _cancel_at(number: int, plan: Plan) -> None:
    task = asyncio.current_task()
    if plan.cancel_at == number and task is not None:
        asyncio.get_running_loop().call_later(plan.cancel_in, task.cancel)


# -- what has become of it -------------------------------------------------------


def _acknowledge(turn: Turn) -> None:
    turn.client.ledger.acknowledge(turn.changes)
    turn.changes.clear()


def _lose_sight(turn: Turn) -> None:
    turn.client.ledger.lose_sight(turn.changes)
    turn.changes.clear()


def _roll_back(turn: Turn) -> None:
    turn.client.ledger.roll_back(turn.changes)
    turn.changes.clear()


_OF_FAULTS: Final = (
    SQLAlchemyError,
    psycopg.Error,
    AsyncAdapt_asyncpg_dbapi.Error,
    # SQLAlchemy 2.0 passes on what asyncpg raises when it connects, and what it says of a
    # connection that was lost under it.
    asyncpg.PostgresError,
    asyncpg.InternalClientError,
    OSError,
)

_OF_CODES: Final = ("08", "40", "53", "57", "XX")
"""Classes of PostgreSQL's codes that come of lost connections, of cancelled statements, and
of two clients in each other's way."""


def _note(client: Client, error: Exception) -> bool:
    client.tally.rollbacks += 1
    if isinstance(error, ApplicationError):
        client.tally.transactions += 1
        return True
    code = sqlstate_of(error)
    cause = type(getattr(error, "orig", None) or error).__name__
    if isinstance(error, _OF_FAULTS) and (code is None or code.startswith(_OF_CODES)):
        client.tally.errors[f"{cause} {code or ''}".rstrip()] += 1
    else:
        said = str(error).splitlines() or [""]
        client.tally.unexpected[f"{cause} {code or ''}: {said[0]}"] += 1
    return False
