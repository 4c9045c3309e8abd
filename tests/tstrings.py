"""Template strings for SQLAlchemy 2.1, on every Python: ``tstring("id = ", Interpolated(3))``.

Python 3.14 and newer have them, as ``t"id = {number}"``; what is made here is made of the same
classes there. On an older Python it is made of SQLAlchemy's own stand-ins.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import sqlalchemy

__all__ = ["Interpolated", "tstring", "written"]


class _Interpolation:
    conversion = None
    format_spec = ""
    expression = "value"

    def __init__(self, value: Any) -> None:
        self.value = value


if sys.version_info >= (3, 14):
    _templates: Any = import_module("string.templatelib")
    _interpolation: Any = _templates.Interpolation
else:
    _templates = import_module("sqlalchemy.util.compat")
    _interpolation = _Interpolation


def Interpolated(value: Any) -> Any:  # noqa: N802
    """Return what a template string holds for ``value`` in braces."""
    return _interpolation(value)


def tstring(*parts: Any) -> Any:
    """Return SQLAlchemy's construct of a template string of ``parts``, texts and values."""
    return vars(sqlalchemy)["tstring"](_templates.Template(*parts))


def written(source: str, **values: Any) -> Any:
    """Return SQLAlchemy's construct of a template string as one writes it, without ``t`` and
    quotes. Older Pythons do not read that.
    """
    return vars(sqlalchemy)["tstring"](eval(f"t{source!r}", values))
