"""Where the adapter hooks into sessions that offer no event for it.

Together with ``compiler.py`` this is what knows SQLAlchemy's private names. Both are
checked when the adapter is imported.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy.orm import Session, SessionTransaction

from .errors import ConfigurationError
from .sessions import serve, serve_lookup

__all__ = ["check_sessions", "hook_sessions"]

_EXPECTED: Final[dict[Any, tuple[str, ...]]] = {
    SessionTransaction._connection_for_bind: ("self", "bind", "execution_options"),
    Session._identity_lookup: ("self", "mapper", "primary_key_identity"),
    Session._merge: ("self", "state", "state_dict"),
}


def check_sessions() -> None:
    """Make sure that the session's internals are those that are hooked here.

    Raises:
        ConfigurationError: they are not; objects could answer across tenants.
    """
    wrong = [
        function.__qualname__
        for function, expected in _EXPECTED.items()
        if tuple(inspect.signature(function).parameters)[: len(expected)] != expected
    ]
    if wrong:
        raise ConfigurationError(
            "this version of SQLAlchemy is not supported, sessions would mix tenants: "
            f"{', '.join(wrong)} changed; install sqlalchemy>=2.0.36,<2.2"
        )


def hook_sessions() -> None:
    """Have every session ask :func:`serve` before it answers."""
    # private: every statement, flush and bulk operation of a session gets its
    # connection here. The public event for it, do_orm_execute, misses bulk operations
    # and makes each query compile its options twice.
    _before(
        SessionTransaction, "_connection_for_bind", lambda self, *args, **kw: serve(self.session)
    )
    # private: get() and many-to-one loading look here, and send no SQL on a hit.
    _before(
        Session,
        "_identity_lookup",
        lambda self, mapper, *args, **kw: serve_lookup(self, mapper),
    )
    # private: merge() takes what it finds in the identity map.
    _before(
        Session, "_merge", lambda self, state, *args, **kw: serve_lookup(self, state.manager.mapper)
    )


def _before(owner: type[Any], name: str, check: Callable[..., None]) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def guarded(self: Any, *args: Any, **kw: Any) -> Any:
        check(self, *args, **kw)
        return original(self, *args, **kw)

    setattr(owner, name, guarded)
