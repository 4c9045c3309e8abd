"""Raw SQL: does a text name a table that belongs to tenants?

The check errs on one side only. A text that names such a table anywhere, quoted or
not, in any case, in a comment or with a schema, counts as naming it. A name inside a
string literal is let off only where the text leaves no doubt about where literals
begin and end.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

__all__ = ["MARK", "REPLACES_ROWS", "SCHEMA_ONLY", "stands_alone", "unmarked_names"]

MARK: Final = "\ue000"
"""A private-use character. While a statement is compiled it follows every identifier
that the compiler itself has quoted, and so tells those from raw text."""

_LITERAL: Final = r"'(?:[^']|'')*'"
# Bound parameters in the forms that compilers render, before they become positional.
_PARAMETER: Final = r"%\(\w+\)s|(?<![:\w]):\w+"
_IDENTIFIER: Final = r'"(?:[^"]|"")+"|`(?:[^`]|``)+`|\[[^\]]+\]|\w+'

_ALL_TOKENS: Final = re.compile(f"(?:{_PARAMETER})|({_IDENTIFIER})({MARK}?)")
_TOKENS_OUTSIDE_LITERALS: Final = re.compile(
    f"(?:{_LITERAL})|(?:{_PARAMETER})|({_IDENTIFIER})({MARK}?)"
)
_COMPLETE_QUOTES: Final = re.compile(f"""{_LITERAL}|"(?:[^"]|"")*"|`(?:[^`]|``)*`""")
# What can move the end of a string literal: comments, backslash escapes, dollar quotes.
_DOUBTFUL: Final = re.compile(r"--|/\*|#|\\|\$\w*\$")
# An identifier may be spelled in escapes on PostgreSQL: U&"inv\006fice".
_ESCAPED_IDENTIFIER: Final = re.compile(r"""\bU&["']""", re.IGNORECASE)

SCHEMA_ONLY: Final = re.compile(
    r"\s*(?:PRAGMA|SHOW|DESCRIBE|DESC)\s[^;]*;?\s*\Z", re.IGNORECASE | re.DOTALL
)
"""One statement that tells about tables and never about rows. Reflection needs these."""

REPLACES_ROWS: Final = re.compile(
    r"\bOR\s+REPLACE\b|\bREPLACE\s+(?:LOW_PRIORITY\s+|DELAYED\s+)?INTO\b|\A\s*REPLACE\b",
    re.IGNORECASE,
)
"""A write that deletes whatever row is in its way, also another tenant's."""


def unmarked_names(text: str, names: Collection[str]) -> set[str]:
    """Return those of ``names`` that ``text`` contains and no compiler has marked.

    Args:
        text: SQL, whole or in part.
        names: table names, case folded.
    """
    if not names:
        return set()
    if _ESCAPED_IDENTIFIER.search(text):
        return set(names)
    found = _scan(_ALL_TOKENS, text, names)
    if found and not _DOUBTFUL.search(text):
        found = _scan(_TOKENS_OUTSIDE_LITERALS, text, names)
    return found


def stands_alone(text: str, *, hash_comments: bool = True) -> bool:
    """Say whether ``text`` ends what it begins, and nothing else.

    A fragment with a parenthesis too many could end the parentheses in which the
    compiler has put it; an open quote or comment could swallow what comes after it.
    Where it is in doubt what is part of a literal, the parentheses must match both with
    and without what the literals hold.

    Args:
        text: a part of a statement.
        hash_comments: whether ``#`` begins a comment, as on MySQL, or is an operator.
    """
    bare = _COMPLETE_QUOTES.sub("", text)
    if "'" in bare or '"' in bare or "`" in bare:
        return False
    last_line = bare.rpartition("\n")[2]
    if "--" in last_line or (hash_comments and "#" in last_line):
        return False
    if bare.rfind("/*") > bare.rfind("*/"):
        return False
    return _matches(bare) and (not _DOUBTFUL.search(text) or _matches(text))


def _matches(text: str) -> bool:
    depth = 0
    for character in text:
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth < 0:
                return False
    return depth == 0


def _scan(pattern: re.Pattern[str], text: str, names: Collection[str]) -> set[str]:
    found = set()
    for match in pattern.finditer(text):
        token, mark = match.groups()
        if token is None or mark:
            continue
        if token.casefold() in names:
            found.add(token.casefold())
        elif token[0] in '"`[':
            bare = token[1:-1].replace('""', '"').replace("``", "`").casefold()
            if bare in names:
                found.add(bare)
            else:
                # What opens like an identifier may be a string (MySQL) or an array
                # subscript (PostgreSQL): look inside as well.
                found |= _scan(_ALL_TOKENS, token[1:-1], names)
    return found
