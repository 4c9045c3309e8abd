"""Refuse a scope that a generator would keep open while it is suspended.

A generator runs in its consumer's context. A scope that is open at a ``yield`` is therefore
bound in the consumer too, and in whatever other generator the consumer resumes next. Context
managers and fixtures that are written as generators do this on purpose, and only known packages
drive them.
"""

from __future__ import annotations

import dis
from functools import lru_cache
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR
from itertools import pairwise
from types import CodeType, FrameType
from typing import Any, Final

from .errors import ConfigurationError

__all__ = ["IS_GENERATOR", "check_generator"]

IS_GENERATOR: Final = CO_GENERATOR | CO_ASYNC_GENERATOR
"""The flags of a code object that is a sync or async generator's."""

_HOLDERS: Final = frozenset(
    {"_pytest", "anyio", "contextlib", "litestar", "pytest_asyncio", "tenantshield_mw"}
)
"""The packages that resume a generator once to set up and once to tear down. This one is among
them for WSGI apps that are generators: the middleware keeps the bindings of each apart."""

_THREADS: Final = frozenset({"anyio", "asgiref", "concurrent"})
"""The packages that call a function in a worker thread, with a copy of the caller's context."""

_YIELDS: Final = frozenset({1, 2})
"""The argument of RESUME after ``yield`` and ``yield from``; 3 is ``await`` (``dis``)."""

_MESSAGE: Final = (
    "this generator would yield with a tenant or system scope open, and its consumer would run "
    "in that scope. Collect the results inside the scope and yield them after it, or open the "
    "scope around the loop that consumes the generator. A generator that sets up and tears "
    "down needs @contextlib.contextmanager or @contextlib.asynccontextmanager"
)

_IN_THREAD: Final = (
    "a framework sets this generator up in a worker thread, so its scope would not reach the code "
    "that it is for: write the dependency as an async generator, with 'async def' and "
    "'async with atenant_scope(...)'"
)


def check_generator(frame: FrameType) -> None:
    """Check that a generator which enters a scope does not yield inside it.

    Args:
        frame: the generator's frame, at the point where it enters the scope.

    Raises:
        ConfigurationError: a ``yield`` is inside the scope, and the generator is not driven by
            ``contextlib`` or a framework that handles fixtures or dependencies, or is set up in
            a worker thread.
    """
    if not _yields_inside(frame.f_code, frame.f_lasti):
        return
    driver = _driver_of(frame)
    package = _package_of(driver)
    if driver is None or package not in _HOLDERS:
        raise ConfigurationError(_MESSAGE)
    # "with" in a thread's own code has that code between contextlib and the thread.
    if package == "contextlib" and _package_of(driver.f_back) in _THREADS:
        raise ConfigurationError(_IN_THREAD)


def _driver_of(frame: FrameType) -> FrameType | None:
    """Return the code that resumed the generator."""
    driver = frame.f_back
    # A generator that another one delegates to with "yield from" has the same driver.
    while driver is not None and driver.f_code.co_flags & IS_GENERATOR:
        driver = driver.f_back
    return driver


def _package_of(frame: FrameType | None) -> str:
    return "" if frame is None else str(frame.f_globals.get("__name__", "")).partition(".")[0]


@lru_cache(maxsize=1024)
def _yields_inside(code: CodeType, entered_at: int) -> bool:
    """Return whether a ``with`` block that is entered at an offset contains a ``yield``.

    The block is all code whose exceptions reach the handler of that ``with``, directly or
    through handlers inside it (CPython, InternalDocs/exception_handling.md). A scope that is
    entered without ``with`` cannot be judged and counts as one that does.
    """
    bytecode = dis.Bytecode(code)
    entries: list[Any] = bytecode.exception_entries  # type: ignore[attr-defined]
    instructions = [each for each in bytecode if each.opname not in ("CACHE", "NOP")]
    pairs = list(pairwise(instructions))
    handles_with = {each.offset for each, after in pairs if after.opname == "WITH_EXCEPT_START"}
    handler = next(
        (
            entry.target
            for entry in sorted(entries, key=lambda entry: entry.start)
            if entry.start > entered_at and entry.target in handles_with
        ),
        None,
    )
    if handler is None:
        return True

    def reaches_handler(offset: int) -> bool:
        seen: set[int] = set()
        while offset not in seen:
            seen.add(offset)
            targets = [entry.target for entry in entries if entry.start <= offset < entry.end]
            if not targets:
                return False
            offset = targets[-1]
            if offset == handler:
                return True
        return False

    return any(
        each.opname == "YIELD_VALUE"
        and after.opname == "RESUME"
        and (after.arg or 0) & 3 in _YIELDS
        and reaches_handler(each.offset)
        for each, after in pairs
    )
