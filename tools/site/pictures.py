"""Pictures of a way: boxes below each other, and beside each what ends there.

A picture is described in ``docs/pictures/NAME.txt``. Its first line is the title, each further line
a box with an optional second part after ``|``, and an indented line what becomes of some there.
``python -m tools.site.pictures`` draws them into ``docs/images``, and ``{picture} NAME`` shows one
in a page, in the page's colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

__all__ = ["DESCRIPTIONS", "IMAGES", "draw", "setup"]

_DOCS: Final = Path(__file__).parents[2] / "docs"
DESCRIPTIONS: Final = _DOCS / "pictures"
IMAGES: Final = _DOCS / "images"

# In pixels; narrow enough to be read on a telephone.
_WIDTH: Final = 430
_BOX: Final = 240
_BESIDE: Final = 168
_GAP: Final = 22
_MARGIN: Final = 4
_LINE: Final = 16
_LETTERS: Final = 23

_STYLE: Final = """
svg.picture { --ink: #1b1f24; --quiet: #57606a; --line: #8c959f; --box: #f6f8fa; --mark: #1d5e4a; }
@media (prefers-color-scheme: dark) {
  svg.picture { --ink: #e6edf3; --quiet: #9da7b1; --line: #6e7681; }
  svg.picture { --box: #161b22; --mark: #6fd0ad; }
}
svg.picture { font: 13px system-ui, sans-serif; }
svg.picture text { fill: var(--ink); }
svg.picture .quiet { fill: var(--quiet); font-size: 12px; }
svg.picture rect { fill: var(--box); stroke: var(--mark); }
svg.picture rect.end { stroke: var(--line); stroke-dasharray: 4 3; }
svg.picture path { stroke: var(--line); fill: none; }
svg.picture .head { fill: var(--line); stroke: none; }
"""


@dataclass(slots=True)
class _Step:
    head: str
    detail: str
    ends: list[str] = field(default_factory=list)

    def lines(self) -> list[list[str]]:
        return [wrap(each, _LETTERS) for each in self.ends]

    def height(self) -> int:
        own = 2 * _LINE + 12 if self.detail else _LINE + 14
        beside = sum(len(each) * _LINE + 18 for each in self.lines())
        return max(own, beside - 8 if beside else 0)


def _steps(description: str) -> Iterator[_Step]:
    step: _Step | None = None
    for line in description.splitlines()[1:]:
        if line.startswith(" ") and step is not None:
            step.ends.append(line.strip())
            continue
        if step is not None:
            yield step
        head, _, detail = (part.strip() for part in line.partition("|"))
        step = _Step(head, detail)
    if step is not None:
        yield step


def draw(description: str) -> str:
    """Return the SVG of a picture.

    Args:
        description: the text of its file.
    """
    title = description.partition("\n")[0]
    parts: list[str] = []
    top = _MARGIN
    steps = list(_steps(description))
    for number, step in enumerate(steps):
        parts += _box(step, top)
        bottom = top + step.height()
        if number < len(steps) - 1:
            parts += _arrow_down(bottom)
        top = bottom + _GAP
    height = top - _GAP + _MARGIN
    told = "; ".join(" ".join([f"{each.head} {each.detail}".strip(), *each.ends]) for each in steps)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="picture" role="img" '
        f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}">\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(told)}</desc>\n"
        f"<style>{_STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _box(step: _Step, top: int) -> Iterator[str]:
    height = step.height()
    middle = top + height / 2
    yield f'<rect x="{_MARGIN}" y="{top}" width="{_BOX}" height="{height}" rx="6"/>'
    centre = _MARGIN + _BOX / 2
    first = middle + 4 if not step.detail else middle - 4
    yield f'<text x="{centre}" y="{first}" text-anchor="middle">{escape(step.head)}</text>'
    if step.detail:
        yield (
            f'<text class="quiet" x="{centre}" y="{middle + 13}" text-anchor="middle">'
            f"{escape(step.detail)}</text>"
        )
    beside = _WIDTH - _BESIDE - _MARGIN
    for lines in step.lines():
        tall = len(lines) * _LINE + 10
        at = top + tall / 2
        yield f'<path d="M{_MARGIN + _BOX} {at} H{beside - 6}"/>'
        yield f'<path class="head" d="M{beside} {at} l-7 -4 v8 z"/>'
        yield f'<rect class="end" x="{beside}" y="{top}" width="{_BESIDE}" height="{tall}" rx="6"/>'
        for number, line in enumerate(lines):
            yield (
                f'<text class="quiet" x="{beside + 8}" y="{top + 17 + number * _LINE}">'
                f"{escape(line)}</text>"
            )
        top += tall + 8


def _arrow_down(top: int) -> Iterator[str]:
    centre = _MARGIN + _BOX / 2
    yield f'<path d="M{centre} {top} v{_GAP - 6}"/>'
    yield f'<path class="head" d="M{centre} {top + _GAP} l-4 -7 h8 z"/>'


class Picture(SphinxDirective):
    """``{picture} NAME``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the SVG, as a part of the page."""
        file = DESCRIPTIONS / f"{self.arguments[0]}.txt"
        self.env.note_dependency(str(file))
        svg = draw(file.read_text())
        return [nodes.raw("", f'<div class="picture-frame">{svg}</div>', format="html")]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register with Sphinx."""
    app.add_directive("picture", Picture)
    return {"version": "1", "parallel_read_safe": True}


if __name__ == "__main__":
    for described in DESCRIPTIONS.glob("*.txt"):
        (IMAGES / f"{described.stem}.svg").write_text(draw(described.read_text()))
