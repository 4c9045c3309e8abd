"""Raw SQL: does a text name a table that belongs to tenants?

The check errs on one side only. A text that names such a table anywhere, quoted or
not, in any case, in a comment or with a schema, counts as naming it. A name inside a
string literal is let off only where the text leaves no doubt about where literals
begin and end, and where neither the literal nor what is around it looks like SQL that
the database would run.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

__all__ = [
    "CHANGES_TENANT",
    "CLOSE",
    "OPEN",
    "REPLACES_ROWS",
    "RUNS_SQL",
    "SCHEMA_ONLY",
    "begins_a_clause",
    "ends_a_select",
    "is_one_value",
    "stands_alone",
    "unmarked_names",
    "without_marks",
]

OPEN: Final = "\ue000"
CLOSE: Final = "\ue001"
"""Private-use characters. While a statement is compiled they stand around every
identifier that the compiler itself has rendered, and so tell those from raw text."""

_MARKED: Final = re.compile(f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}")
_MARKS: Final = re.compile(f"[{OPEN}{CLOSE}]")

_LITERAL: Final = re.compile(r"'(?:[^']|'')*'")
# Bound parameters in the forms that compilers render, before they become positional.
_PARAMETER: Final = re.compile(r"%\(\w+\)s|(?<![:\w]):\w+")
# What can move the end of a string literal: comments, backslash escapes, dollar quotes.
_DOUBTFUL: Final = re.compile(r"--|/\*|#|\\|\$\w*\$")
# An identifier may be spelled in escapes on PostgreSQL: U&"inv\006fice".
_ESCAPED_IDENTIFIER: Final = re.compile(r"""\bU&["']""", re.IGNORECASE)
_LOOKS_LIKE_SQL: Final = re.compile(
    r"\b(?:SELECT|TABLE|INSERT|UPDATE|DELETE|REPLACE|MERGE|COPY|TRUNCATE)\b", re.IGNORECASE
)

RUNS_SQL: Final = re.compile(
    r"\b(?:query_to_xml\w*|table_to_xml\w*|cursor_to_xml\w*|schema_to_xml\w*|database_to_xml\w*"
    r"|ts_stat|ts_rewrite|dblink\w*|crosstab\w*|connectby)\s*[\"`]?\s*\("
    r"|\bEXECUTE\s+IMMEDIATE\b|\bPREPARE\s+\S+\s+FROM\b",
    re.IGNORECASE,
)
"""What runs SQL, or reads a table, that it is given as a string."""

CHANGES_TENANT: Final = re.compile(
    r"\bset_config\s*\"?\s*\("
    r"|\b(?:RE)?SET\s+(?:(?:SESSION|LOCAL)\s+)?(?:ROLE\b|AUTHORIZATION\b|\"?tenantshield\b)"
    r"|\bRESET\s+ALL\b|\bDISCARD\s+ALL\b",
    re.IGNORECASE,
)
"""What changes for whom PostgreSQL takes the transaction, where it has policies."""

SCHEMA_ONLY: Final = re.compile(
    r"\s*(?:PRAGMA\s[^;]*|(?:SHOW|DESCRIBE|DESC)\s(?!\s*SELECT\b)[^;()]*);?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
"""One statement that tells about tables and never about rows. Reflection needs these."""

REPLACES_ROWS: Final = re.compile(
    r"\bOR\s+REPLACE\b|\bREPLACE\s+(?:LOW_PRIORITY\s+|DELAYED\s+)?INTO\b|\A\s*REPLACE\b",
    re.IGNORECASE,
)
"""A write that deletes whatever row is in its way, also another tenant's."""


def without_marks(text: str) -> str:
    """Return ``text`` as the database is to see it."""
    return _MARKS.sub("", text)


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
    text = _PARAMETER.sub(" ", _MARKED.sub(" ", text))
    found = _named(text, names)
    if found and not _DOUBTFUL.search(text) and not RUNS_SQL.search(text):
        found = _named(_LITERAL.sub(_unless_sql, text), names)
    return found


def _unless_sql(literal: re.Match[str]) -> str:
    return literal[0] if _LOOKS_LIKE_SQL.search(literal[0]) else " "


def _named(text: str, names: Collection[str]) -> set[str]:
    # A quote within a quoted identifier is written twice.
    folded = text.casefold()
    plain = folded.replace('""', '"').replace("``", "`")
    return {name for name in names if _contains(folded, name) or _contains(plain, name)}


def _contains(folded: str, name: str) -> bool:
    """Say whether ``name`` stands in ``folded`` with nothing before or after that could
    make it part of a longer identifier.
    """
    start = folded.find(name)
    while start >= 0:
        end = start + len(name)
        before, after = folded[start - 1 : start], folded[end : end + 1]
        if not (_continues(before, name[0]) or _continues(after, name[-1])):
            return True
        start = folded.find(name, start + 1)
    return False


def _continues(neighbour: str, edge: str) -> bool:
    # Where the name itself ends in a character that no identifier goes on after, such
    # as a space in a quoted one, anything may follow.
    return _is_letter(neighbour) and _is_letter(edge)


def _is_letter(character: str) -> bool:
    # Databases take everything outside of ASCII for a letter.
    return character == "_" or character.isalnum() or character > "\x7f"


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


_BEGINS_A_CLAUSE: Final = re.compile(
    r"\s*(?:FOR|LOCK|OPTION|WITH|LIMIT|OFFSET|FETCH|ORDER\s+BY|GROUP\s+BY|HAVING|WINDOW|QUALIFY"
    r"|UNION|EXCEPT|INTERSECT|RETURNING|INTO|SETTINGS|FORMAT|PROCEDURE)\b",
    re.IGNORECASE,
)
_COMMENTS: Final = re.compile(r"/\*.*?\*/|--[^\n]*(?:\n|\Z)", re.DOTALL)


def begins_a_clause(text: str) -> bool:
    """Say whether ``text``, put after a ``WHERE``, begins something else.

    ``OR 1 = 1`` goes on with the criteria instead and would let every row through. A
    comment that MySQL runs as SQL (``/*! ... */``) is not taken for a comment.
    """
    if "/*!" in text or "/*M!" in text:
        return False
    bare = without_marks(_COMMENTS.sub(" ", text))
    return not bare.strip() or _BEGINS_A_CLAUSE.match(bare) is not None


_COMPLETE_QUOTES: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`""")


_ENDS_A_SELECT: Final = re.compile(r"\b(?:WHERE|UNION|EXCEPT|INTERSECT|MINUS)\b|;", re.IGNORECASE)


def ends_a_select(text: str) -> bool:
    """Say whether ``text`` would end the ``SELECT`` that it is a part of, before its ``WHERE``.

    What follows, with the condition in it, would belong to another ``SELECT`` then.
    Inside of parentheses anything may stand, since they hold a statement of their own.
    """
    if _DOUBTFUL.search(text):
        return _ENDS_A_SELECT.search(text) is not None
    bare = _COMPLETE_QUOTES.sub("", text)
    while (inner := _INNERMOST.sub("", bare)) != bare:
        bare = inner
    return _ENDS_A_SELECT.search(bare) is not None


_INNERMOST: Final = re.compile(r"\([^()]*\)")


def is_one_value(text: str) -> bool:
    """Say whether ``text`` has no comma outside of parentheses, brackets and quotes."""
    depth = 0
    for character in _COMPLETE_QUOTES.sub("", text):
        if character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == "," and depth <= 0:
            return False
    return True


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
