"""Sweep an application object, sync or async, ASGI or WSGI."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Collection, Generator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from tenantshield_mw.errors import ConfigurationError

from .asgi_calls import asgi_call, lifespan
from .operations import Operation, in_order
from .requests import Call
from .routes import operations_in
from .sweep import Caller, Finding, Plan, Step, findings_of
from .wsgi_calls import wsgi_call

__all__ = ["Watch", "afindings", "asweep", "findings", "sweep"]

Watch: TypeAlias = Callable[[], Any]
"""Returns the owner's rows in a form that can be copied and compared, or, for the async functions,
an awaitable of it."""

Side: TypeAlias = Caller | Callable[[], Caller | Awaitable[Caller]]
"""One tenant's side, or a function that makes it; for the async functions, it may be async."""

Steps: TypeAlias = Generator[Step, Any, list[Finding]]

_TIMEOUT: Final = 60.0


def sweep(
    app: Any,
    *,
    owner: Caller | Callable[[], Caller],
    intruder: Caller | Callable[[], Caller],
    watch: Watch | None = None,
    operations: Sequence[Operation] = (),
    document: Mapping[str, Any] | None = None,
    allow: Collection[str] = (),
    skip: Collection[str] = (),
    timeout: float = _TIMEOUT,
) -> list[Finding]:
    """Request every operation of ``app`` as ``intruder`` with the ids that ``owner`` owns, and
    return what reached the owner's rows, or was not judged.

    First, both read their own rows: an operation that does not work for them is a finding, and so
    is one that sends the intruder elsewhere, such as to log in. A mark that no answer to its tenant
    has is an error: the sweep could not notice the owner's later, and the intruder may be refused
    everything for another reason than the ids.
    An ASGI application's lifespan runs around all of it, in an event loop of its own.

    Args:
        app: an ASGI or WSGI application. Its operations are those of its OpenAPI document (FastAPI,
            Litestar) and of its routes (these, Starlette, Flask and others on Werkzeug).
        owner: the tenant whose rows must not be reached, or a function that makes them.
        intruder: the other one, likewise.
        watch: returns the owner's rows, and what refers to them, read past the application, in any
            form that can be copied and compared. It is called after each request: what it returns
            must stay the same. Without it, a request that writes and is answered with a status
            below 400 although it has the owner's ids is a finding.
        operations: operations in place of those of the same method and path, or in addition: with
            the body and the query that the routes of Starlette and Flask do not tell.
        document: an OpenAPI document, in place of the application's own.
        allow: findings that were reviewed, such as ``"unreached POST /webhook"``; ``*`` stands for
            any text. It is an error if one of these is not found.
        skip: operations that are not requested, such as ``"GET /static/*"``, likewise.
        timeout: how long an answer may take, in seconds (ASGI).

    Raises:
        ConfigurationError: the sweep could not find anything; or ``allow`` or ``skip`` has
            something that is not there; or an event loop is running.
        TypeError: ``owner`` or ``intruder`` is or returns something else than a ``Caller``.
        RuntimeError: the application failed to start.
    """
    if _is_asgi(app) and _is_running():
        raise ConfigurationError("an event loop is running: await asweep() in place of sweep()")
    sides = _made("owner", owner), _made("intruder", intruder)
    plan = _plan(app, *sides, watch, operations, document, allow, skip)
    if _is_asgi(app):
        return asyncio.run(_asgi(app, plan, watch, timeout))
    return findings(findings_of(plan), wsgi_call(app), watch=watch)


async def asweep(
    app: Any,
    *,
    owner: Side,
    intruder: Side,
    watch: Watch | None = None,
    operations: Sequence[Operation] = (),
    document: Mapping[str, Any] | None = None,
    allow: Collection[str] = (),
    skip: Collection[str] = (),
    timeout: float = _TIMEOUT,  # noqa: ASYNC109
) -> list[Finding]:
    """Sweep in the running event loop; see :func:`sweep`.

    ``owner``, ``intruder`` and ``watch`` may be async functions.
    """
    sides = await _amade("owner", owner), await _amade("intruder", intruder)
    plan = _plan(app, *sides, watch, operations, document, allow, skip)
    if _is_asgi(app):
        return await _asgi(app, plan, watch, timeout)
    return await afindings(findings_of(plan), wsgi_call(app), watch=watch)


async def _asgi(app: Any, plan: Plan, watch: Watch | None, seconds: float) -> list[Finding]:
    async with lifespan(app) as state:
        return await afindings(findings_of(plan), asgi_call(app, state, seconds), watch=watch)


def findings(
    steps: Steps, call: Call, *, watch: Watch | None = None, compare: Call | None = None
) -> list[Finding]:
    """Do the steps of :func:`~tenantshield_mw.adapters.testing.sweep.findings_of`.

    Args:
        steps: the steps.
        call: sends a request and returns the answer.
        watch: for the steps ``watch``.
        compare: for the steps ``compare``.
    """
    result: Any = None
    while True:
        try:
            step = steps.send(result)
        except StopIteration as stopped:
            found: list[Finding] = stopped.value
            return found
        result = _done(step, call, watch, compare)


async def afindings(
    steps: Steps, call: Call, *, watch: Watch | None = None, compare: Call | None = None
) -> list[Finding]:
    """Do the steps; what the functions return may be awaitable. See :func:`findings`."""
    result: Any = None
    while True:
        try:
            step = steps.send(result)
        except StopIteration as stopped:
            found: list[Finding] = stopped.value
            return found
        result = _done(step, call, watch, compare)
        if isinstance(result, Awaitable):
            result = await result


def _done(step: Step, call: Call, watch: Watch | None, compare: Call | None) -> Any:
    if step.do == "watch":
        assert watch is not None
        return watch()
    if step.do == "compare":
        assert compare is not None
        return compare(step.request)
    return call(step.request)


def _made(name: str, side: object) -> Caller:
    made: object = side() if callable(side) else side
    if inspect.iscoroutine(made):
        # Otherwise Python would warn that it was never awaited.
        made.close()
    return _checked(name, made)


async def _amade(name: str, side: object) -> Caller:
    made: object = side() if callable(side) else side
    return _checked(name, await made if inspect.isawaitable(made) else made)


def _checked(name: str, made: object) -> Caller:
    if not isinstance(made, Caller):
        before = ": await it before, or await asweep()" if inspect.isawaitable(made) else ""
        raise TypeError(f"{name}= must return a Caller{before}")
    return made


def _plan(
    app: Any,
    owner: Caller,
    intruder: Caller,
    watch: Watch | None,
    given: Sequence[Operation],
    document: Mapping[str, Any] | None,
    allow: Collection[str],
    skip: Collection[str],
) -> Plan:
    if not callable(app):
        raise ConfigurationError("the sweep takes an ASGI or a WSGI application")
    found, unknown = operations_in(app, document)
    operations = {str(each): each for each in (*found, *given)}
    return Plan(
        in_order([*operations.values()]),
        owner,
        intruder,
        unknown,
        watches=watch is not None,
        allow=allow,
        skip=skip,
    )


def _is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _is_asgi(app: Any) -> bool:
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__)
