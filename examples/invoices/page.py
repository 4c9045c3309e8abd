"""The page that every example serves at ``/``."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template
from typing import Final

__all__ = ["page"]

_FOLDER: Final = Path(__file__).parent / "page"


def page(framework: str, registration: str, follow: str = "") -> str:
    """Return the page as one HTML document, which then requests the data from the server.

    Args:
        framework: the framework's name, to display.
        registration: the line that protects the application, to display.
        follow: the section that follows a request, as HTML, if the example has one.
    """
    return Template(_read("index.html")).substitute(
        framework=escape(framework),
        registration=escape(registration),
        follow=follow,
        style=_read("page.css"),
        script=_read("page.js"),
    )


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
