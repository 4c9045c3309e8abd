"""Reads the text of PostgreSQL's arrays.

https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

__all__ = ["array_items", "mapped"]

_TOKEN: Final = re.compile(r'([{},])|"((?:[^"\\]|\\.)*)"|([^{},"]+)', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def array_items(text: str) -> list[Any]:
    """Return the items of an array as lists of texts, and ``None`` for ``NULL``.

    Raises:
        ValueError: it is none, or does not begin with item 1, of which Python has no list.
    """
    if not text.startswith("{"):
        raise ValueError
    top: list[Any] = []
    open_ = [top]
    end = 0
    while found := _TOKEN.match(text, end):
        end = found.end()
        mark, quoted, bare = found.groups()
        if mark == "{":
            inner: list[Any] = []
            open_[-1].append(inner)
            open_.append(inner)
        elif mark == "}":
            open_.pop()
        elif quoted is not None:
            open_[-1].append(_ESCAPED.sub(r"\1", quoted))
        elif bare is not None:
            open_[-1].append(None if bare == "NULL" else bare)
    if end != len(text) or open_ != [top] or len(top) != 1:
        raise ValueError
    items: list[Any] = top[0]
    return items


def mapped(convert: Callable[[str | None], Any], items: list[Any]) -> list[Any]:
    """Return the items converted, in the same lists."""
    return [mapped(convert, each) if isinstance(each, list) else convert(each) for each in items]
