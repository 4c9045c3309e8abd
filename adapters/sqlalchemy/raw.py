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
from secrets import token_hex
from typing import Final

__all__ = [
    "CHANGES_TENANT",
    "CLOSE",
    "OPEN",
    "REACHES_UNNAMED",
    "REPLACES_ROWS",
    "SCHEMA_ONLY",
    "UNNAMED",
    "begins_a_clause",
    "ends_a_select",
    "is_one_value",
    "stands_alone",
    "unmarked_names",
    "without_marks",
]

_SECRET: Final = token_hex(8)

OPEN: Final = f"\ue000{_SECRET}\ue002"
CLOSE: Final = f"\ue001{_SECRET}\ue003"
"""While a statement is compiled they stand around every identifier that the compiler itself
has rendered, and so tell those from raw text. Nobody knows them who writes raw text."""

_MARKED: Final = re.compile(f"{OPEN}(?:(?!{OPEN}|{CLOSE}).)*{CLOSE}", re.DOTALL)

_LITERAL: Final = re.compile(r"'((?:[^']|'')*)'")
# Bound parameters in the forms that compilers render, before they become positional.
_PARAMETER: Final = re.compile(r"%\(\w+\)s|(?<![:\w]):\w+")
# What can move the end of a string literal: comments, backslash escapes, dollar quotes.
_DOUBTFUL: Final = re.compile(r"--|/\*|#|\\|\$\w*\$")
# An identifier may be spelled in escapes on PostgreSQL: U&"inv\006fice".
_ESCAPED_IDENTIFIER: Final = re.compile(r"""\bU&["']""", re.IGNORECASE)
_LOOKS_LIKE_SQL: Final = re.compile(
    r"\b(?:SELECT|TABLE|INSERT|UPDATE|DELETE|REPLACE|MERGE|COPY|TRUNCATE)\b", re.IGNORECASE
)
# What a value is compared with, or made of: no table's name stands behind it.
_BEFORE_A_VALUE: Final = re.compile(
    r"(?:[=<>|+]|\bVALUES\s*\(|\b(?:SELECT|DISTINCT|RETURNING|WHERE|HAVING|BY|LIKE|GLOB|IS|NOT|WHEN"
    r"|THEN|ELSE|AND|OR|BETWEEN))\s*\Z",
    re.IGNORECASE,
)

# What may stand between two words. Not one comment within another, which PostgreSQL knows:
# that is refused as a whole.
_GAP: Final = r"(?:\s|/\*(?:[^*]|\*(?!/))*+\*/|--[^\n]*+(?:\n|\Z)|\#[^\n]*+(?:\n|\Z))"


def _words(pattern: str) -> re.Pattern[str]:
    """Compile ``pattern``, in which a space is some gap, and ``~`` is one or none."""
    return re.compile(pattern.replace(" ", f"{_GAP}++").replace("~", f"{_GAP}*+"), re.IGNORECASE)


REACHES_UNNAMED: Final = _words(
    r"\b(?:query_to_xml\w*|table_to_xml\w*|cursor_to_xml\w*|schema_to_xml\w*|database_to_xml\w*"
    r"|ts_stat|ts_rewrite|get_raw_page|dblink\w*|crosstab\w*|connectby)~[\"`]?~\("
    r"|\bEXECUTE IMMEDIATE\b|\bPREPARE (?:`[^`]*`|\"[^\"]*\"|[^\s/\#]+) FROM\b"
    r"|\bDO~(?:\$|(?:E|U&)?'|LANGUAGE\b)"
    r"|/\*(?:(?!\*/)[\s\S])*?/\*"
    r"|\bDROP (?:SCHEMA|DATABASE|OWNED)\b"
    r"|\bpg_stats(?:_ext\w*)?\b|\bpg_statistic\w*|\bpg_mcv_list_items\b|\bsqlite_stat\d"
    r"|\b(?:mysql|information_schema)`?~\.~`?column_stat"
)
"""What reaches rows, or values out of them, whose table it does not name: it runs SQL that
it is given as a string, or names a table by a string, reads the planner's statistics, or drops
a table together with all around it. And what could hide that."""

UNNAMED: Final = (
    "runs SQL that is given as a string, names a table by a string, reads the planner's "
    "statistics, drops a schema or database, or has a comment within a comment"
)
"""The same in words, after "the statement"."""

CHANGES_TENANT: Final = _words(
    r"\bset_config~\"?~\("
    r"|\b(?:RE)?SET (?:(?:SESSION|LOCAL) ){0,2}(?:\"?(?:ROLE|AUTHORIZATION|SESSION_AUTHORIZATION"
    r"|tenantshield)\b|U&\")"
    r"|\bRESET ALL\b|\bDISCARD ALL\b"
    r"|\bUPDATE (?:ONLY )?(?:\"?pg_catalog\"?~\.~)?\"?pg_settings\b"
)
"""What changes for whom PostgreSQL takes the transaction, where it has policies."""

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


def without_marks(text: str) -> str:
    """Return ``text`` as the database is to see it."""
    return text.replace(OPEN, "").replace(CLOSE, "")


def unmarked_names(text: str, names: Collection[str], dialect: str) -> set[str]:
    """Return those of ``names`` that ``text`` contains and no compiler has marked.

    Args:
        text: SQL, whole or in part.
        names: table names, case folded.
        dialect: the dialect's name.
    """
    if not names:
        return set()
    if _ESCAPED_IDENTIFIER.search(text):
        return set(names)
    text = _PARAMETER.sub(" ", _MARKED.sub(" ", text))
    found = _named(text, names)
    if found and not _DOUBTFUL.search(text) and not REACHES_UNNAMED.search(text):

        def unless_it_counts(literal: re.Match[str]) -> str:
            if _LOOKS_LIKE_SQL.search(literal[0]):
                return literal[0]
            # SQLite takes 'invoice' for an identifier where a value cannot stand.
            if (
                dialect == "sqlite"
                and literal[1].replace("''", "'").casefold() in names
                and not _BEFORE_A_VALUE.search(text, 0, literal.start())
            ):
                return literal[0]
            return " "

        found = _named(_LITERAL.sub(unless_it_counts, text), names)
    return found


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
