"""What raw SQL looks like: what could reach other rows, or out of its own place.

Which tables it names is another question, see ``table_names.py``.
"""

from __future__ import annotations

import re
from typing import Final

from .functions import REACHING
from .marks import without_marks

__all__ = [
    "CHANGES_TENANT",
    "DOUBTFUL",
    "GAP",
    "HIDES",
    "REACHES_UNNAMED",
    "REPLACES_ROWS",
    "SCHEMA_ONLY",
    "UNNAMED",
    "WRITES_OVER",
    "begins_a_clause",
    "ends_a_select",
    "is_one_value",
    "stands_alone",
]

DOUBTFUL: Final = re.compile(r"--|/\*|#|\\|\$\w*\$")
"""What can move the end of a string literal: comments, backslash escapes, dollar quotes."""

GAP: Final = r"(?:\s|/\*(?:[^*]|\*(?!/))*+\*/|--[^\n]*+(?:\n|\Z)|\#[^\n]*+(?:\n|\Z))"
"""What may stand between two words, once. Not one comment within another, which PostgreSQL
knows: that is refused as a whole."""


def _words(pattern: str) -> re.Pattern[str]:
    """Compile ``pattern``, in which a space is some gap, and ``~`` is one or none."""
    return re.compile(pattern.replace(" ", f"{GAP}++").replace("~", f"{GAP}*+"), re.IGNORECASE)


HIDES: Final = re.compile(r"/\*(?:M?!|(?:(?!\*/)[\s\S])*?/\*)", re.IGNORECASE)
"""A comment that MySQL and MariaDB run, and one within another. To look for it first keeps the
other patterns fast, too: no text has more than one comment that is not closed then."""

REACHES_UNNAMED: Final = _words(
    rf"\b(?:{REACHING})~[\"`]?~\("
    r"|\bEXECUTE IMMEDIATE\b|\bPREPARE (?:`[^`]*`|\"[^\"]*\"|[^\s/\#]+) FROM\b"
    r"|\bDO~(?:\$|(?:E|U&)?'|LANGUAGE\b)"
    r"|\b(?:TO|FROM) PROGRAM\b|\bIMPORT FOREIGN SCHEMA\b"
    r"|\bDROP (?:SCHEMA|DATABASE|OWNED)\b"
    r"|\bpg_stats(?:_ext\w*)?\b|\bpg_statistic\w*|\bpg_mcv_list_items\b|\bsqlite_stat\d"
    r"|\bpg_buffercache\w*|\bpg_largeobject\b|\bsqlite_dbpage\b"
    r"|\b(?:mysql|information_schema)`?~\.~`?column_stat"
)
"""What reaches rows, or values out of them, whose table it does not name: it runs SQL or a
program that it is given as a string, names a table or a file by a string, reads the planner's
statistics or stored pages, or drops a table together with all around it."""

UNNAMED: Final = (
    "runs SQL that is given as a string, names a table or a file by a string, reads the "
    "planner's statistics or stored pages, or drops a schema or database"
)
"""The same in words, after what it is that does so."""

CHANGES_TENANT: Final = _words(
    r"\bset_config~\"?~\("
    r"|\b(?:RE)?SET (?:(?:SESSION|LOCAL) ){0,2}(?:\"?(?:ROLE|AUTHORIZATION|SESSION_AUTHORIZATION"
    r"|tenantshield)\b|U&\")"
    r"|\bRESET ALL\b|\bDISCARD ALL\b"
    r"|\bUPDATE (?:ONLY )?(?:\"?pg_catalog\"?~\.~)?\"?pg_settings\b"
)
"""What changes for whom PostgreSQL takes the transaction, where it has policies."""

WRITES_OVER: Final = _words(r"\bDO UPDATE\b|\bON DUPLICATE\b")
"""What writes over a row that is in the way; one match for each."""

SCHEMA_ONLY: Final = re.compile(
    r"\s*(?:PRAGMA\s[^;]*|SHOW\s(?!\s*SELECT\b)[^;()]*"
    r"|DESC(?:RIBE)?\s+(?:[\w$]+|`[^`]+`)(?:\.(?:[\w$]+|`[^`]+`))?);?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
"""One statement that tells about tables and never about rows. Reflection needs these."""

REPLACES_ROWS: Final = _words(
    r"\bOR REPLACE\b|\bREPLACE (?:LOW_PRIORITY |DELAYED )?INTO\b|\A~REPLACE\b"
)
"""A write that deletes whatever row is in its way, also another tenant's."""


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
    return _matches(bare) and (not DOUBTFUL.search(text) or _matches(text))


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
    if DOUBTFUL.search(text):
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
