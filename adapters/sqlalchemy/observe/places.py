"""Find the line of the application from which SQLAlchemy was called."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from sys import _getframe
from types import FrameType
from typing import Any, Final

__all__ = ["Place", "current_place"]

_LIBRARIES: Final = tuple(
    {
        os.path.join(sysconfig.get_path(name), "")
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
)

_SKIPPED: Final = ("sqlalchemy", "tenantshield_mw", "greenlet")

_FOLLOWS: Final = frozenset(
    {
        ("sqlalchemy.orm.unitofwork", "execute"),
        ("sqlalchemy.orm.loading", "load_scalar_attributes"),
        ("sqlalchemy.orm.session", "refresh"),
    }
)
"""Module and function of what writes statements of its own for objects that were read before: a
flush, and reading an object again."""

_LOADERS: Final = "sqlalchemy.orm.strategies"
"""The module that does so for relationships."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the application.

    Attributes:
        file: the file, relative to the current folder if it is inside.
        line: the number of the line, from 1.
        function: the function's qualified name.
        follows: whether SQLAlchemy wrote the statement for objects that were read before, so
            that the statement which read them counts.
    """

    file: str
    line: int
    function: str
    follows: bool


def current_place() -> Place:
    """Return the innermost line that is neither SQLAlchemy's, nor this package's, nor a library's.

    If only libraries called SQLAlchemy, it is a line of the innermost of them.
    """
    follows = False
    found: FrameType | None = None
    for frame in _frames():
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in _SKIPPED:
            name = frame.f_code.co_name
            follows = follows or module == _LOADERS or (module, name) in _FOLLOWS
            continue
        is_library = frame.f_code.co_filename.startswith((*_LIBRARIES, "<"))
        if found is None or not is_library:
            found = frame
        if not is_library:
            break
    if found is None:
        return Place("<unknown>", 0, "<unknown>", follows)
    code = found.f_code
    return Place(_relative(code.co_filename), found.f_lineno, code.co_qualname, follows)


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = _getframe(2)
    current = _current_greenlet()
    while frame is not None:
        yield frame
        frame = frame.f_back
        if frame is None and current is not None:
            # SQLAlchemy's asyncio extension runs its sync part in a greenlet with a stack of
            # its own; the coroutine that awaits it is in the parent's.
            current = current.parent
            frame = None if current is None else current.gr_frame


def _current_greenlet() -> Any:
    try:
        from greenlet import getcurrent
    except ImportError:
        return None
    return getcurrent()


def _relative(file: str) -> str:
    here = os.path.join(os.getcwd(), "")
    return file[len(here) :] if file.startswith(here) else file
