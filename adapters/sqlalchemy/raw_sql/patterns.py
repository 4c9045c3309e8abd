"""Patterns in raw SQL that could reach other rows, or affect the SQL around it.

The tables that it names are found in ``table_names.py``.
"""

from __future__ import annotations

import re
from typing import Final

from .functions import REACHING
from .marks import CLOSE, OPEN, without_marks

__all__ = [
    "CHANGES_SCHEMA",
    "CHANGES_TENANT",
    "DOUBTFUL",
    "ENDS_OR_UNDOES",
    "GAP",
    "HIDES",
    "REACHES_UNNAMED",
    "REPLACES_ROWS",
    "SCHEMA_ONLY",
    "UNNAMED",
    "WRITES_OVER",
    "begins_a_clause",
    "ends_a_select",
    "is_comparison",
    "is_one_value",
    "stands_alone",
]

DOUBTFUL: Final = re.compile(r"--|/\*|#|\\|\$\w*\$")
"""What can change where a string literal ends: comments, backslash escapes, dollar quotes."""

GAP: Final = r"(?:\s|/\*(?:[^*]|\*(?!/))*+\*/|--[^\n]*+(?:\n|\Z)|\#[^\n]*+(?:\n|\Z))"
"""One white space character or comment between two words. Not a nested comment, which
PostgreSQL supports: SQL with one is refused."""


def _words(pattern: str) -> re.Pattern[str]:
    """Compile ``pattern``, in which a space is a gap, and ``~`` is an optional gap."""
    return re.compile(pattern.replace(" ", f"{GAP}++").replace("~", f"{GAP}*+"), re.IGNORECASE)


HIDES: Final = re.compile(r"/\*(?:M?!|(?:(?!\*/)[\s\S])*?/\*)", re.IGNORECASE)
"""A comment that MySQL and MariaDB execute, or a nested comment. This is searched first, which
also keeps the other patterns fast: a text without it has at most one unclosed comment."""

REACHES_UNNAMED: Final = _words(
    rf"\b(?:{REACHING})~[\"`]?~\("
    r"|\bEXECUTE IMMEDIATE\b|\bPREPARE (?:`[^`]*`|\"[^\"]*\"|[^\s/\#]+) FROM\b"
    r"|\bDO~(?:\$|(?:E|U&)?'|LANGUAGE\b)"
    r"|\b(?:TO|FROM) PROGRAM\b|\bIMPORT FOREIGN SCHEMA\b"
    r"|\bDROP (?:SCHEMA|DATABASE|OWNED)\b"
    r"|\bpg_stats(?:_ext\w*)?\b|\bpg_statistic\w*|\bpg_mcv_list_items\b|\bsqlite_stat\d"
    r"|\bpg_buffercache\w*|\bpg_largeobject\b|\bpg_toast\w*|\bsqlite_dbpage\b"
    r"|\bpg_stat_(?:activity|statements\w*|get_activity|get_backend_\w+)\b|\bpg_(?:prepared_statements|cursors)\b"
    r"|\bSHOW (?:FULL )?(?:PROCESSLIST|WARNINGS|ERRORS|ENGINE|PROFILES?|EXPLAIN|ANALYZE|BINLOG"
    r"|RELAYLOG|COUNT)\b|\bFOR CONNECTION\b"
    r"|\b(?:mysql|information_schema|performance_schema|sys)`?~\.~`?"
    r"(?:column_stat|processlist|general_log|slow_log|innodb_(?:trx|lock|ft_)|events_|user_variables|threads|optimizer_trace"
    r"|(?:x\$)?(?:session|statement|processlist))"
)
"""SQL that reaches rows, or values from them, without naming their table: it executes SQL or a
program that is given as a string, names a table or a file in a string, reads the planner's
statistics, stored pages or what other statements were about, or drops a schema or a database."""

UNNAMED: Final = (
    "executes SQL that is given as a string, names a table or a file in a string, reads the "
    "planner's statistics, stored pages or other statements, or drops a schema or database"
)
"""The same in words, which follow a subject."""

CHANGES_TENANT: Final = _words(
    r"\bset_config~\"?~\("
    r"|\b(?:RE)?SET (?:(?:SESSION|LOCAL) ){0,2}(?:\"?(?:ROLE|AUTHORIZATION|SESSION_AUTHORIZATION"
    r"|tenantshield)\b|U&\")"
    r"|\bRESET ALL\b|\bDISCARD ALL\b"
    r"|\bUPDATE (?:ONLY )?(?:\"?pg_catalog\"?~\.~)?\"?pg_settings\b"
)
"""SQL that changes the role or the setting from which PostgreSQL's policies know the tenant."""

ENDS_OR_UNDOES: Final = _words(
    r"\b(?:COMMIT|END|ABORT|ROLLBACK|RELEASE|PREPARE TRANSACTION)\b"
    r"|(?:\A|;)~(?:BEGIN|CALL|DISCARD|DO|EXECUTE|RESET|SET|START|XA)\b"
)
"""SQL that may end the transaction, or undo a part of it or of its settings: better once too often
than not at all."""

CHANGES_SCHEMA: Final = _words(
    # A column may have the name, as in UPDATE tenant SET schema = 'acme'.
    r"\b(?:RE)?SET (?:(?:SESSION|LOCAL) )?(?:\"?search_path\b|SCHEMA\b(?!~=))|(?:\A|;)~USE\b"
)
"""SQL that changes what a name without a schema stands for."""

WRITES_OVER: Final = _words(r"\bDO UPDATE\b|\bON DUPLICATE\b")
"""A clause that writes over an existing row; one match per clause."""

SCHEMA_ONLY: Final = re.compile(
    # What SHOW may name, of MySQL's and MariaDB's; PostgreSQL has one word, or these.
    r"\s*(?:PRAGMA\s[^;]*"
    r"|SHOW\s+(?:(?:FULL|EXTENDED|GLOBAL|SESSION|LOCAL)\s+)*(?:TABLES?|COLUMNS|FIELDS|CREATE|INDEX"
    r"|INDEXES|KEYS|VARIABLES|STATUS|DATABASES|SCHEMAS|COLLATION|CHARACTER|CHARSET|ENGINES|PLUGINS"
    r"|GRANTS|PRIVILEGES|TRIGGERS)\b[^;()]*"
    r"|SHOW\s+(?:TRANSACTION\s+ISOLATION\s+LEVEL|TIME\s+ZONE|SESSION\s+AUTHORIZATION"
    r"|(?!(?:PROCESSLIST|WARNINGS|ERRORS|PROFILES?)\b)[\w.]+)\s*"
    r"|DESC(?:RIBE)?\s+(?:[\w$]+|`[^`]+`)(?:\.(?:[\w$]+|`[^`]+`))?);?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
"""A single statement that reads the schema and never rows. Reflection needs these."""

REPLACES_ROWS: Final = _words(
    r"\bOR REPLACE\b|\bREPLACE (?:LOW_PRIORITY |DELAYED )?INTO\b|\A~REPLACE\b"
)
"""A write that deletes conflicting rows, even another tenant's."""


_NAME: Final = rf"{OPEN}[\"`]?\w++[\"`]?{CLOSE}"
_NAMES: Final = rf"{_NAME}(?:\.{_NAME})*+"
_PARAMETER: Final = r"(?:%\(\w++\)s|:\w++|\?|__\[POSTCOMPILE_\w++\])(?:::\w++)?"
_COMPARISON: Final = re.compile(
    rf"{_NAMES} (?:[=<>!]++|IS|IS NOT|LIKE|IN) (?:{_PARAMETER}|\({_PARAMETER}\)|NULL|{_NAMES})"
)


def is_comparison(text: str) -> bool:
    """Return whether ``text``, with marks, only compares a column with something plain.

    Most conditions do, and no other search can find anything in them.
    """
    return _COMPARISON.fullmatch(text) is not None


def stands_alone(text: str, *, hash_comments: bool = True) -> bool:
    """Return whether the parentheses, quotes and comments in ``text`` are balanced.

    A fragment with an extra parenthesis could close the parentheses around it; an open quote or
    comment could swallow the SQL after it. If the boundaries of literals are in doubt, the
    parentheses must match both with and without the content of the literals.

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
    """Return whether ``text``, put after the criteria, begins another clause.

    ``OR 1 = 1`` would continue the criteria and return every row. A comment that MySQL executes
    (``/*! ... */``) does not count as a comment.
    """
    if "/*!" in text or "/*M!" in text:
        return False
    bare = without_marks(_COMMENTS.sub(" ", text))
    return not bare.strip() or _BEGINS_A_CLAUSE.match(bare) is not None


_COMPLETE_QUOTES: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`""")


_ENDS_A_SELECT: Final = re.compile(r"\b(?:WHERE|UNION|EXCEPT|INTERSECT|MINUS)\b|;", re.IGNORECASE)


def ends_a_select(text: str) -> bool:
    """Return whether ``text`` would end its ``SELECT`` before the ``WHERE``.

    The SQL after it, with the condition, would then belong to another ``SELECT``. Parentheses
    may contain anything, since they hold a separate statement.
    """
    if DOUBTFUL.search(text):
        return _ENDS_A_SELECT.search(text) is not None
    bare = _COMPLETE_QUOTES.sub("", text)
    while (inner := _INNERMOST.sub("", bare)) != bare:
        bare = inner
    return _ENDS_A_SELECT.search(bare) is not None


_INNERMOST: Final = re.compile(r"\([^()]*\)")


def is_one_value(text: str) -> bool:
    """Return whether ``text`` has no comma outside parentheses, brackets and quotes."""
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
