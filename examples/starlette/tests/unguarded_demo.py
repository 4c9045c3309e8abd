"""The demonstration with the guard switched off, to check that it detects leaks."""

from __future__ import annotations

import sys

from examples.invoices.tests.unguarded import guard_off
from examples.starlette.demo import main

if __name__ == "__main__":
    with guard_off("starlette"):
        sys.exit(main(["--once"]))
