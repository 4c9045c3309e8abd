"""Statements that are paused in their midst, for what others do meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any, TypeAlias

from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

__all__ = ["MOMENTS", "beside", "beside_async"]

MOMENTS = ["before_execute", "before_cursor_execute"]
"""The events at which a statement can be paused: before it is compiled, and before it is sent."""

Outcome: TypeAlias = Any
"""What a call has returned, or the exception that it has raised."""


def _pausing(target: Engine, moment: str, pause: Callable[[], None]) -> None:
    """Call ``pause`` in the midst of the first statement alone."""
    paused: list[bool] = []

    def listen(*given: Any, **_: Any) -> None:
        # BEGIN is sent by the test engine itself.
        if not paused and "BEGIN" not in given:
            paused.append(True)
            pause()

    event.listen(target, moment, listen)


async def beside_async(
    engine: AsyncEngine,
    moment: str,
    first: Callable[[], Awaitable[Any]],
    second: Callable[[], Awaitable[Any]],
) -> tuple[Outcome, Outcome]:
    """Run ``second`` in a task of its own while the first statement of ``first`` is paused."""
    has_begun, may_go_on = asyncio.Event(), asyncio.Event()

    def pause() -> None:
        has_begun.set()
        await_only(may_go_on.wait())

    _pausing(engine.sync_engine, moment, pause)

    async def after() -> Any:
        await has_begun.wait()
        task = asyncio.ensure_future(second())
        await asyncio.wait([task])
        may_go_on.set()
        return await task

    async def before() -> Any:
        try:
            return await first()
        finally:
            # If it is sent through another engine, it is never paused.
            has_begun.set()

    found = await asyncio.gather(before(), after(), return_exceptions=True)
    return found[0], found[1]


def beside(
    engine: Engine, moment: str, first: Callable[[], Any], second: Callable[[], Any]
) -> tuple[Outcome, Outcome]:
    """Run ``second`` in a thread of its own while the first statement of ``first`` is paused."""
    has_begun, may_go_on = threading.Event(), threading.Event()
    outcomes: dict[str, Outcome] = {}

    def pause() -> None:
        has_begun.set()
        may_go_on.wait(30)

    _pausing(engine, moment, pause)

    def run(name: str, call: Callable[[], Any]) -> None:
        try:
            outcomes[name] = call()
        except BaseException as error:
            outcomes[name] = error
        finally:
            has_begun.set()

    thread = threading.Thread(target=copy_context().run, args=(run, "first", first))
    thread.start()
    has_begun.wait(30)
    run("second", second)
    may_go_on.set()
    thread.join()
    return outcomes["first"], outcomes["second"]
