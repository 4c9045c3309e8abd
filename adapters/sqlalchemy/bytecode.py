"""What the code of a function mentions."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType
from typing import Any

__all__ = ["mentioned_in"]


def mentioned_in(code: CodeType) -> Iterator[str]:
    """Yield all names, arguments and strings in a function and its nested functions.

    Its local variables, which may be called like what they are taken from, do not count.
    """
    yield from code.co_names
    yield from code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    yield from _strings_in(code.co_consts)


def _strings_in(constants: Any) -> Iterator[str]:
    for each in constants:
        if isinstance(each, str):
            yield each
        elif isinstance(each, tuple | frozenset):
            yield from _strings_in(each)
        elif isinstance(each, CodeType):
            yield from mentioned_in(each)
