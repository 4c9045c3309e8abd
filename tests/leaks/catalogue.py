"""The catalogue: what a way is, and how the modules in ``paths/`` enter theirs."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy.orm import Session

__all__ = [
    "IN_MEMORY",
    "NOTHING",
    "NOT_OWNER",
    "Way",
    "catalogue",
    "legitimate",
    "legitimate_operations",
    "path",
    "reads",
    "writes",
]

Kind: TypeAlias = Literal["read", "write", "legitimate"]
Attack: TypeAlias = Callable[..., Any]

NOTHING: Final = object()
"""What a read must return that asks for the other tenant's rows alone."""

NOT_OWNER: Final[Mapping[str, str]] = {
    "policies": "the role of the application does not own the tables"
}
"""Why there is no such form where the database has policies."""

IN_MEMORY: Final = "a session answers from memory, and the database hears nothing of it"
"""Why policies alone cannot close a way."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to reach rows, or one operation that must go on working.

    Attributes:
        name: what it is, in SQLAlchemy's words; unique.
        kind: what it tries; a legitimate operation tries nothing.
        run: called with the arena's :class:`~tests.leaks.hand.Hand` and the models;
            what it returns is searched for the other tenant's values. A coroutine
            function gets an async session and runs in the async flavour only.
        theme: the module that it stands in.
        why_not: reasons by database, ``sync``/``async`` or ``policies`` (a database with
            policies), for which it does not exist.
        sees: what a read must return exactly, where values alone do not tell (a count).
        errors: what it may raise, apart from a refusal.
        needs: what a protection must be able to declare for it to mean anything.
        tenant: whose scope it starts in; not so if it enters scopes itself.
        open: why it is open by nature; ``None`` for all others.
        open_still: why it is open by nature even where the database has policies.
        beyond_policies: why policies alone, without the guard, cannot close it.
        harmless: why it takes nothing from anybody where there is no protection.
        then: a query for the driver, and the rows that it must return afterwards.
    """

    name: str
    kind: Kind
    run: Attack
    theme: str
    why_not: Mapping[str, str] = field(default_factory=dict)
    sees: Any = None
    errors: tuple[type[Exception], ...] = ()
    needs: frozenset[str] = frozenset()
    tenant: Literal["mine", "none", "own"] = "mine"
    open: str | None = None
    open_still: str | None = None
    beyond_policies: str | None = None
    harmless: str | None = None
    then: tuple[str, list[tuple[Any, ...]]] | None = None


_paths: Final[dict[str, Way]] = {}
_legitimate: Final[dict[str, Way]] = {}


def path(
    name: str,
    kind: Kind = "read",
    *,
    needs: str = "",
    only: str = "",
    why: str = "",
    **options: Any,
) -> Callable[[Attack], Attack]:
    """Enter the decorated function as a way to reach another tenant's rows.

    Args:
        name: what it is.
        kind: what it tries.
        needs: features of :class:`~tests.leaks.protections.Protection`, by words.
        only: the databases or flavours that have it, by words; all others do not.
        why: why the others do not have it.
        options: the other attributes of :class:`Way`.
    """

    def enter(run: Attack) -> Attack:
        _enter(_paths, name, kind, run, needs, only, why, options)
        return run

    return enter


def legitimate(
    name: str, *, needs: str = "", only: str = "", why: str = "", **options: Any
) -> Callable[[Attack], Attack]:
    """Enter the decorated function as an operation that must succeed.

    It asserts its own results; ``then`` tells what the database must hold afterwards.
    """

    def enter(run: Attack) -> Attack:
        _enter(_legitimate, name, "legitimate", run, needs, only, why, options)
        return run

    return enter


def reads(name: str, statement: Callable[[Any], Any], **options: Any) -> None:
    """Enter a way that is one statement, executed by a session."""

    def run(hand: Any, m: Any) -> Any:
        session: Session = hand.session
        return session.execute(statement(m)).all()

    run.__module__ = statement.__module__
    path(name, "read", **options)(run)


def writes(name: str, statement: Callable[[Any], Any], **options: Any) -> None:
    """Enter a way that is one statement which changes rows, executed by a session."""

    def run(hand: Any, m: Any) -> None:
        session: Session = hand.session
        session.execute(statement(m))

    run.__module__ = statement.__module__
    path(name, "write", **options)(run)


def _enter(
    book: dict[str, Way],
    name: str,
    kind: Kind,
    run: Attack,
    needs: str,
    only: str,
    why: str,
    options: dict[str, Any],
) -> None:
    if name in book:
        raise ValueError(f"the name {name!r} is taken")
    why_not = dict(options.pop("why_not", {}))
    if only:
        if not why:
            raise ValueError(f"{name!r}: say why the others do not have it")
        chosen = set(only.split())
        for group in ({"sqlite", "postgresql", "mariadb"}, {"sync", "async"}):
            if chosen & group:
                why_not |= dict.fromkeys(group - chosen, why)
    book[name] = Way(
        name,
        kind,
        run,
        run.__module__.rpartition(".")[2],
        why_not,
        needs=frozenset(needs.split()),
        **options,
    )


def catalogue() -> list[Way]:
    """Return all ways, in order."""
    _import_all("paths")
    return list(_paths.values())


def legitimate_operations() -> list[Way]:
    """Return all operations that must go on working, in order."""
    _import_all("legitimate")
    return list(_legitimate.values())


def _import_all(folder: str) -> None:
    package = import_module(f"{__package__}.{folder}")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda each: each.name):
        import_module(f"{package.__name__}.{module.name}")
