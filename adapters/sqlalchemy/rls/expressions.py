"""Parses the conditions of policies, to compare two of them.

PostgreSQL stores a condition as a tree and renders it on request: with other parentheses,
with casts that it added, with or without table names. The policies of this package use a
small subset of SQL, and both texts are parsed into the same kind of tree. A condition outside
of that subset cannot be one of these policies.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

__all__ = ["Node", "NotOursError", "Resolve", "read_condition"]

Node: TypeAlias = tuple[Any, ...]
"""One of: ``(op, *nodes)`` for ``and``, ``or``, ``not``, ``=``, ``is null``, ``is not null``,
``exists``, ``select``; ``("cast", type, node)``; ``("column", table, name)``, the table being
``None`` for the policy's own; ``("from", schema, name, alias)``;
``("call", schema, name, *nodes)``; ``("text", value)``; ``("word", value)``."""

Resolve: TypeAlias = Callable[[str, str], str | None]
"""Returns the schema of a ``"table"`` or ``"function"`` that is named without one."""

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"]|"")+")|(?P<text>'(?:[^']|'')*')|(?P<number>\d+)"""
    r"""|(?P<word>[^\W\d][\w$]*)|(?P<sign>::|[().,=]))"""
)

# PostgreSQL adds casts to these types by itself. They keep different values different.
_FAITHFUL: Final = frozenset({"text", "character varying", "numeric", "uuid"})
_LONGER_TYPES: Final = {"character": "varying", "double": "precision"}


class NotOursError(ValueError):
    """The text is outside of the subset of SQL that these policies use."""


def read_condition(sql: str, table: str, resolve: Resolve) -> Node:
    """Parse a condition.

    Args:
        sql: the condition.
        table: the name of the policy's table.
        resolve: returns the schema of what is named without one.

    Raises:
        NotOursError: the condition is outside of the supported subset.
    """
    return _Reader(sql, table, resolve).whole()


class _Reader:
    """A recursive-descent parser for one condition."""

    def __init__(self, sql: str, table: str, resolve: Resolve) -> None:
        self._table = table
        self._resolve = resolve
        self._tokens: list[tuple[str, str]] = []
        end = 0
        while rest := sql[end:].strip():
            found = _TOKEN.match(sql, end)
            if found is None:
                raise NotOursError(f"unexpected {rest[:1]!r}")
            end, kind = found.end(), found.lastgroup or ""
            value = found[kind]
            if kind == "quoted":
                value = value[1:-1].replace('""', '"')
            elif kind == "text":
                value = value[1:-1].replace("''", "'")
            elif kind == "word":
                value = value.lower()
            self._tokens.append((kind, value))
        self._next = 0

    def whole(self) -> Node:
        node = self._or()
        if self._next != len(self._tokens):
            raise NotOursError("unexpected text after the condition")
        return node

    # -- tokens --------------------------------------------------------------------

    def _peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self._next + ahead
        return self._tokens[at] if at < len(self._tokens) else ("end", "")

    def _take(self, kind: str, value: str | None = None) -> str:
        here = self._peek()
        if here[0] != kind or (value is not None and here[1] != value):
            raise NotOursError(f"expected {value or kind}")
        self._next += 1
        return here[1]

    def _takes(self, kind: str, value: str) -> bool:
        if self._peek() != (kind, value):
            return False
        self._next += 1
        return True

    def _name(self) -> str:
        if self._peek()[0] == "quoted":
            return self._take("quoted")
        return self._take("word")

    def _names(self) -> list[str]:
        names = [self._name()]
        while self._takes("sign", "."):
            names.append(self._name())
        return names

    # -- conditions ----------------------------------------------------------------

    def _or(self) -> Node:
        return self._many("or", self._and)

    def _and(self) -> Node:
        return self._many("and", self._not)

    def _many(self, word: str, read: Callable[[], Node]) -> Node:
        nodes = [read()]
        while self._takes("word", word):
            nodes.append(read())
        if len(nodes) == 1:
            return nodes[0]
        flat = [part for node in nodes for part in (node[1:] if node[0] == word else (node,))]
        return (word, *flat)

    def _not(self) -> Node:
        return ("not", self._not()) if self._takes("word", "not") else self._comparison()

    def _comparison(self) -> Node:
        node = self._cast()
        if self._takes("sign", "="):
            return ("=", node, self._cast())
        if self._takes("word", "is"):
            operator = "is not null" if self._takes("word", "not") else "is null"
            self._take("word", "null")
            return (operator, node)
        return node

    def _cast(self) -> Node:
        node = self._value()
        while self._takes("sign", "::"):
            type_ = ".".join(self._names())
            more = _LONGER_TYPES.get(type_)
            if more is not None and self._takes("word", more):
                type_ = f"{type_} {more}"
            if not (type_ in _FAITHFUL and node[0] in ("column", "text")):
                node = ("cast", type_, node)
        return node

    def _value(self) -> Node:
        kind, value = self._peek()
        if kind == "sign" and value == "(":
            return self._in_parentheses()
        if kind == "text":
            return ("text", self._take("text"))
        if kind == "number" or (kind, value) in (("word", "true"), ("word", "false")):
            self._next += 1
            return ("word", value)
        if (kind, value) == ("word", "exists") and self._peek(1) == ("sign", "("):
            self._next += 1
            return ("exists", self._in_parentheses())
        names = self._names()
        if self._takes("sign", "("):
            return self._call(names)
        own = len(names) == 1 or names[-2] == self._table
        return ("column", None if own else names[-2], names[-1])

    def _in_parentheses(self) -> Node:
        self._take("sign", "(")
        node = self._select() if self._peek() == ("word", "select") else self._or()
        self._take("sign", ")")
        return node

    def _call(self, names: list[str]) -> Node:
        nodes: list[Node] = []
        while not self._takes("sign", ")"):
            if nodes:
                self._take("sign", ",")
            nodes.append(_widened(self._or()))
        schema = names[-2] if len(names) > 1 else self._resolve("function", names[-1])
        return ("call", schema, names[-1], *nodes)

    def _select(self) -> Node:
        self._take("word", "select")
        parts = [self._or()]
        if self._takes("word", "as"):
            # The alias of a subquery's only column has no effect.
            self._name()
        if self._takes("word", "from"):
            names = self._names()
            schema = names[-2] if len(names) > 1 else self._resolve("table", names[-1])
            self._takes("word", "as")
            ends = self._peek() in (("word", "where"), ("sign", ")"))
            parts.append(("from", schema, names[-1], names[-1] if ends else self._name()))
        if self._takes("word", "where"):
            parts.append(self._or())
        return ("select", *parts)


def _widened(argument: Node) -> Node:
    """Return the column inside the cast that widens an ``integer`` argument to ``bigint``."""
    is_wide = argument[:2] == ("cast", "bigint") and argument[2][0] == "column"
    return argument[2] if is_wide else argument
