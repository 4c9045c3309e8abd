"""How the databases of tenants are reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL, Engine

from ..errors import ConfigurationError

__all__ = ["Databases"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Databases:
    """How databases of tenants are reached, and how many connections they may have.

    Each database in use has an engine with a pool. There are at most ``open_databases`` of them,
    so that there are at most ``open_databases * connections`` connections. If another one is
    needed, the one that was not used for longest is disposed of, never one that is in use.

    Args:
        url: takes the name of a database and returns its URL, with the credentials. It is called
            for each new connection, so that credentials may change while the application runs.
            It must not block the event loop of an async engine. It raises ``LookupError`` for a
            name that it does not know.
        connections: the largest number of connections to one database; at least 1.
        open_databases: the largest number of databases that have connections; at least 1.
        options: further arguments of ``create_engine``, such as ``pool_timeout``.
        configure: called with the new ``Engine`` of a database, of an async one with its
            ``sync_engine``, before it is used: for listeners of events.

    Raises:
        ConfigurationError: an argument is invalid.
    """

    url: Callable[[str], URL | str]
    connections: int = 2
    open_databases: int = 50
    options: Mapping[str, Any] = field(default_factory=dict)
    configure: Callable[[Engine], None] | None = None

    def __post_init__(self) -> None:
        if not callable(self.url):
            raise ConfigurationError(
                "Databases(url=...) takes a function that returns the URL of a database by its name"
            )
        for name in ("connections", "open_databases"):
            number = getattr(self, name)
            if type(number) is not int or number < 1:
                raise ConfigurationError(f"Databases({name}=...) must be an int of at least 1")
        if taken := self.options.keys() & {"pool_size", "max_overflow", "poolclass", "creator"}:
            raise ConfigurationError(
                f"the options of Databases() have {', '.join(sorted(taken))}: give connections=, "
                "the number for one database, and url=, which is called for each connection"
            )
