"""Reads the conditions of policies, to tell whether two of them say the same.

PostgreSQL keeps a condition as a tree and writes it out anew when it is asked for it: with
other parentheses, with casts that it had to add, with or without the names of tables. What
the policies here are made of is a small part of SQL, and both texts are read into the same
tree. Whatever is not in that part cannot be one of these policies.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

__all__ = ["Node", "NotOursError", "Resolve", "read_condition"]

Node: TypeAlias = tuple[Any, ...]
"""One of: ``(op, *nodes)`` for ``and``, ``or``, ``not``, ``=``, ``is null``, ``exists``,
``select``; ``("cast", type, node)``; ``("column", table, name)``, the table being ``None``
for the policy's own; ``("from", schema, name, alias)``; ``("call", schema, name, *nodes)``;
``("text", value)``; ``("word", value)``."""

Resolve: TypeAlias = Callable[[str, str], str | None]
"""What says in which schema a ``"table"`` or a ``"function"`` of a name without one is."""

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"]|"")+")|(?P<text>'(?:[^']|'')*')|(?P<number>\d+)"""
    r"""|(?P<word>[^\W\d][\w$]*)|(?P<sign>::|[().,=]))"""
)

# A cast to one of these, which PostgreSQL adds by itself, keeps any two values apart.
_FAITHFUL: Final = frozenset({"text", "character varying", "numeric", "uuid"})
_LONGER_TYPES: Final = {"character": "varying", "double": "precision"}


class NotOursError(ValueError):
    """The text is not in the part of SQL that these policies are made of."""


def read_condition(sql: str, table: str, resolve: Resolve) -> Node:
    """Return what a condition says.

    Args:
        sql: the condition.
        table: the name of the table whose policy it is of.
        resolve: where what is named without a schema is.

    Raises:
        NotOursError: it cannot be read.
    """
    return _Reader(sql, table, resolve).whole()


class _Reader:
    """Reads one condition, by recursive descent."""

    def __init__(self, sql: str, table: str, resolve: Resolve) -> None:
        self._table = table
        self._resolve = resolve
        self._tokens: list[tuple[str, str]] = []
        end = 0
        while rest := sql[end:].strip():
            found = _TOKEN.match(sql, end)
            if found is None:
                raise NotOursError(f"{rest[:1]!r} is not expected")
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
            raise NotOursError("it goes on after its end")
        return node

    # -- tokens --------------------------------------------------------------------

    def _peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self._next + ahead
        return self._tokens[at] if at < len(self._tokens) else ("end", "")

    def _take(self, kind: str, value: str | None = None) -> str:
        here = self._peek()
        if here[0] != kind or (value is not None and here[1] != value):
            raise NotOursError(f"{value or kind} is expected")
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
            self._take("word", "null")
            return ("is null", node)
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
            # What the one column of a subquery is called changes nothing.
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
    """Return a column that is an ``integer`` where the function takes a ``bigint``."""
    is_wide = argument[:2] == ("cast", "bigint") and argument[2][0] == "column"
    return argument[2] if is_wide else argument
