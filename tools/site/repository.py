"""Pages that are files of the repository, and links between them.

A file such as ``SECURITY.md`` is read on the site and in the repository, where its links lead to
files. This extension shows such files as pages, and makes each link to a file lead to the page that
shows the file, or to the file in the repository.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Final

from pygments.lexers.sql import SqlLexer
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

__all__ = ["setup"]

_logger: Final = logging.getLogger(__name__)

_ROOT: Final = Path(__file__).parents[2]
_DOCS: Final = "docs"
_FILES: Final = "https://github.com/tenantshield/tenantshield-mw/blob/main/"

_INCLUDED: Final = re.compile(r"^```\{include\} (\S+)\n```$", re.MULTILINE)
# A line of a menu for a page that may be there.
_OPTIONAL: Final = re.compile(r"^(\S+)\?\n", re.MULTILINE)
_SHOWN: Final = re.compile(r"^```\{file\} (\S+)\n```$", re.MULTILINE)
# A fence, or a link to a file. Code in a line is no link.
_PARTS: Final = re.compile(
    r"(?P<fence>^(?P<ticks>`{3,}|~{3,}).*?^(?P=ticks)$)|(?P<code>`[^`\n]+`)"
    r"|(?P<before>\]\()(?P<target>(?![a-z]+:|#|/)[^)\s#]+)(?P<anchor>#[^)\s]+)?\)",
    re.MULTILINE | re.DOTALL,
)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register with Sphinx."""
    app.connect("source-read", _read)
    # A test looks for this block.
    app.add_lexer("sql-policy", SqlLexer)
    return {"version": "1", "parallel_read_safe": True}


def shown_in(docs: Path) -> dict[str, str]:
    """Return the pages, without their suffix, by the file that each shows."""
    pages = {
        path.relative_to(docs).with_suffix("").as_posix(): path.read_text()
        for path in docs.rglob("*.md")
    }
    return {file: page for page, text in pages.items() for file in _SHOWN.findall(text)}


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    docs = Path(app.srcdir)
    pages = shown_in(docs)
    folder = docs / PurePosixPath(page).parent
    # Here, so that the headings of what is included are those of the page.
    source[0] = _INCLUDED.sub(lambda found: (folder / found[1]).read_text(), source[0])
    source[0] = _OPTIONAL.sub(
        lambda found: f"{found[1]}\n" if (folder / f"{found[1]}.md").exists() else "", source[0]
    )
    text = _linked(source[0], f"{_DOCS}/{page}.md", page, pages)

    def contents(found: re.Match[str]) -> str:
        path = _ROOT / found[1]
        app.env.note_dependency(str(path), docname=page)
        return _linked(path.read_text(), found[1], page, pages)

    source[0] = _SHOWN.sub(contents, text)


def _linked(text: str, file: str, page: str, pages: dict[str, str]) -> str:
    """Return the text of ``file`` with links as they must be in ``page``."""

    def link(found: re.Match[str]) -> str:
        if found["target"] is None:
            return found[0]
        target = os.path.normpath(PurePosixPath(file).parent / found["target"])
        where = _address(target, page, pages)
        if where is None:
            _logger.warning("%s links to %s, which is not there", file, target, location=page)
            return found[0]
        return f"{found['before']}{where}{found['anchor'] or ''})"

    return _PARTS.sub(link, text)


def _address(target: str, page: str, pages: dict[str, str]) -> str | None:
    if target.startswith(f"{_DOCS}/"):
        inside = target.removeprefix(f"{_DOCS}/")
    elif target in pages:
        inside = f"{pages[target]}.md"
    else:
        return _FILES + target if (_ROOT / target).exists() else None
    return os.path.relpath(inside, PurePosixPath(page).parent)
