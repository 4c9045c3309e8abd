"""Makes the connections of Alembic's ``env.py`` reach one place, without a change to ``env.py``.

It holds for a whole process, so only processes that do nothing else use it: see ``workers``.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Pool, event, make_url
from sqlalchemy.engine import Dialect

from ..errors import ConfigurationError
from .paths import take_path

__all__ = ["Course", "steered"]


@dataclass(frozen=True, slots=True)
class Course:
    """Where connections go.

    Attributes:
        backend: the kind of database, as in a URL.
        url: the database, with its password; ``None`` for the one that ``env.py`` names.
        path: the search path; empty if there are no schemas.
    """

    backend: str
    url: str | None
    path: tuple[str, ...]


@contextmanager
def steered(course: Course) -> Generator[None]:
    """Let every connection that this process opens in the block reach one place.

    Raises:
        ConfigurationError: as a connection is opened: it is to another kind of database, or to
            a second one.
    """
    first: list[Any] = []

    def do_connect(dialect: Dialect, record: Any, arguments: list[Any], named: Any) -> None:
        if dialect.name not in _names_of(course.backend):
            raise ConfigurationError(
                f"env.py connects to {dialect.name!r}, and the fleet to {course.backend!r}"
            )
        asked = (list(arguments), dict(named))
        if first and first[0] != asked:
            raise ConfigurationError(
                "env.py connects to several databases: let it connect to that of the fleet only"
            )
        first[:] = [asked]
        if course.url is not None:
            given, options = dialect.create_connect_args(make_url(course.url))
            arguments[:] = given
            named.clear()
            named.update(options)

    def connect(dbapi_connection: Any, record: Any) -> None:
        take_path(dbapi_connection, course.path)

    event.listen(Engine, "do_connect", do_connect)
    event.listen(Pool, "connect", connect)
    try:
        yield
    finally:
        event.remove(Engine, "do_connect", do_connect)
        event.remove(Pool, "connect", connect)


def _names_of(backend: str) -> tuple[str, ...]:
    return ("mysql", "mariadb") if backend in ("mysql", "mariadb") else (backend,)
