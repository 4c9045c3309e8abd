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

__all__ = ["check_generators", "may_be_suspended"]

_IS_GENERATOR: Final = CO_GENERATOR | CO_ASYNC_GENERATOR

_ENTERS: Final = frozenset({"__enter__", "__aenter__"})
"""The methods in which a context manager enters another one on behalf of its own caller."""

_HOLDERS: Final = frozenset({"_pytest", "contextlib", "pytest_asyncio"})
"""The packages that resume a generator once to set up and once to tear down."""

_DEPENDENCIES: Final = "litestar._kwargs.dependencies"
"""The module with which Litestar sets dependencies up. Its other modules iterate the bodies of
responses, some of them in worker threads."""

_HOLDING_MODULES: Final = frozenset({_DEPENDENCIES, "tenantshield_mw.wsgi"})
"""The modules that do the same, of packages that also resume other generators. The WSGI
middleware is among them for apps that are generators: it keeps the bindings of each apart."""

_HOLDING_FUNCTIONS: Final = frozenset({("anyio", "_run_tests_and_fixtures")})
"""The functions that do the same, of packages with modules that also resume other generators."""

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

_IN_TASK: Final = (
    "Litestar sets dependencies that do not depend on each other up in tasks of their own, so this "
    "scope would not reach the handler: let the handler's other dependencies depend on the one "
    "that enters the scope, by a parameter of its name"
)


def may_be_suspended(code: CodeType) -> bool:
    """Return whether a scope that ``code`` enters could stay open while a generator is suspended:
    one whose code it is, or the caller of the context manager that it belongs to.
    """
    return bool(code.co_flags & _IS_GENERATOR) or code.co_name in _ENTERS


def check_generators(entering: FrameType) -> None:
    """Check that no generator yields inside the scope that is being entered.

    Context managers are followed to the ``with`` block that enters them, since the scope that
    they hold is open there.

    Args:
        entering: the frame that enters the scope.

    Raises:
        ConfigurationError: a ``yield`` is inside the scope, and the generator is not driven by
            ``contextlib`` or a framework that handles fixtures or dependencies, or is set up in
            a worker thread or in a task of its own.
    """
    frame: FrameType | None = entering
    while frame is not None:
        if frame.f_code.co_flags & _IS_GENERATOR:
            if not _yields_inside(frame.f_code, frame.f_lasti):
                return
            frame = _driver_of(frame)
            _check_driver(frame)
        if frame is None or frame.f_code.co_name not in _ENTERS:
            return
        frame = frame.f_back


def _check_driver(driver: FrameType | None) -> None:
    if driver is None or not _holds(driver):
        raise ConfigurationError(_MESSAGE)
    # "with" in a thread's own code has that code between contextlib and the thread.
    if _package_of(driver) == "contextlib" and _package_of(driver.f_back) in _THREADS:
        raise ConfigurationError(_IN_THREAD)
    if _module_of(driver) == _DEPENDENCIES and _package_of(driver.f_back) != "litestar":
        raise ConfigurationError(_IN_TASK)


def _driver_of(frame: FrameType) -> FrameType | None:
    """Return the code that resumed the generator."""
    driver = frame.f_back
    # A generator that another one delegates to with "yield from" has the same driver.
    while driver is not None and driver.f_code.co_flags & _IS_GENERATOR:
        driver = driver.f_back
    return driver


def _holds(driver: FrameType) -> bool:
    """Return whether the code that resumed a generator does so to set up and to tear down."""
    package = _package_of(driver)
    return (
        package in _HOLDERS
        or _module_of(driver) in _HOLDING_MODULES
        or (package, driver.f_code.co_name) in _HOLDING_FUNCTIONS
    )


def _module_of(frame: FrameType | None) -> str:
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


def _package_of(frame: FrameType | None) -> str:
    return _module_of(frame).partition(".")[0]


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
