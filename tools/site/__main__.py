"""Build the site into ``build/site``: ``python -m tools.site``."""

from __future__ import annotations

import fcntl
import shutil
import sys
from pathlib import Path
from typing import Final

from sphinx.cmd.build import build_main

_ROOT: Final = Path(__file__).parents[2]
_BUILD: Final = _ROOT / "build"
_DOCS: Final = _ROOT / "docs"
_SITE: Final = _BUILD / "site"
_DOCTREES: Final = _BUILD / "doctrees"


def main() -> int:
    """Build what has changed since the last time, with warnings as errors.

    Returns:
        0, or what Sphinx returns if it fails.
    """
    _BUILD.mkdir(exist_ok=True)
    options = ["-q", "-W", "--keep-going", "-b", "html", "-d", str(_DOCTREES)]
    # Tests that run at the same time need the same site.
    with (_BUILD / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_outdated():
            shutil.rmtree(_DOCTREES, ignore_errors=True)
            shutil.rmtree(_SITE, ignore_errors=True)
        status = build_main([*options, str(_DOCS), str(_SITE)])
        if status:
            # Otherwise, the next time would say nothing of what has not changed since.
            shutil.rmtree(_DOCTREES, ignore_errors=True)
    return status


def _is_outdated() -> bool:
    """Return whether a page is gone, or what makes the pages has changed, which Sphinx does not
    notice, or a build was interrupted: it writes the index of the search last.
    """
    environment = _DOCTREES / "environment.pickle"
    if not environment.exists() or not (_SITE / "searchindex.js").exists():
        return True
    made = environment.stat().st_mtime
    if any(each.stat().st_mtime > made for each in Path(__file__).parent.glob("*.py")):
        return True
    pages = (each.relative_to(_DOCTREES) for each in _DOCTREES.rglob("*.doctree"))
    return any(not (_DOCS / each.with_suffix(".md")).exists() for each in pages)


if __name__ == "__main__":
    sys.exit(main())
