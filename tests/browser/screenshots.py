"""Take the pictures in ``docs/images``: ``python -m tests.browser.screenshots [FOLDER]``."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.invoices.tests.started import EXAMPLES, started
from tests.browser.chromium import CHROMIUM, chromium
from tests.browser.visits import visiting
from tests.commands import ROOT

__all__ = ["main"]


def main(folder: Path) -> None:
    if CHROMIUM is None:
        sys.exit("no chromium on the PATH (Debian: apt-get install chromium)")
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for name in EXAMPLES:
            with (
                TemporaryDirectory() as temporary,
                started(name, Path(temporary) / "invoices.sqlite3") as address,
                visiting(browser, address, width=1040) as visit,
            ):
                if name == "starlette":
                    visit.follow("a forgotten filter in a join", "acme")
                visit.run_attempts()
                visit.page.locator("#summary").click()
                visit.page.screenshot(path=folder / f"{name}.png", full_page=True)
                print(folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
