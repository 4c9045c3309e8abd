"""The example, with what SQLite itself executes written to a file:
``python -m examples.starlette.tests.traced FILE``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import Engine, event

from examples.starlette.app import create_app

__all__: list[str] = []


def tell(said: Callable[[str], object]) -> None:
    """Call ``said`` with each statement of each connection, its parameters filled in."""

    def connected(connection: Any, record: Any) -> None:
        if hasattr(connection, "run_async"):
            connection.run_async(lambda driver: driver.set_trace_callback(said))

    event.listen(Engine, "connect", connected)


def main(log: Path) -> None:
    with log.open("a") as file:
        tell(lambda statement: print(statement, end="\0", file=file, flush=True))
        uvicorn.run(create_app(), port=0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
