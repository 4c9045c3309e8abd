"""Recognize statements in which no check of raw SQL can find anything.

Most statements consist only of words that SQLAlchemy renders for a ``SELECT``, operators,
parameters and marked identifiers. The checks take as long as the compilation, so they are
skipped for these. A statement with anything else is not quiet.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import Final

from .marks import CLOSE, CLOSE_TABLE, OPEN
from .table_names import unquoted

__all__ = ["names_in_quiet"]

# A marked identifier of one plain word that is not called as a function; a parameter; or
# characters that neither are a word nor begin a literal, a comment or another statement. The
# group matches an identifier that is neither a confined table's name nor a qualifier, and
# everything else: a word, a quote, an escape, a semicolon, a mark.
_WORD: Final = r"[\"`]?\w++[\"`]?"
_PART: Final = re.compile(
    rf"{OPEN}{_WORD}(?:{CLOSE_TABLE}(?!\s*+\()|{CLOSE}\.)"
    r"|%\(\w++\)s|(?<![:\w]):\w++|__\[POSTCOMPILE_\w++\]"
    r"|[\s\d,()=<>!.*+|?]++|[%:]|-(?!-)|/(?!\*)"
    rf"|({OPEN}{_WORD}{CLOSE}(?!\s*+[(.])|[^\W\d]\w*+|[\s\S])"
)
# Relations that hold rows of other tables, or values from them. Everything else that reaches
# rows unnamed is a function call, or needs a word that is not listed below.
_TELLING: Final = (
    "pg_",
    "sqlite_",
    "column_stat",
    "information_schema",
    "performance_schema",
    "mysql",
    f"sys{CLOSE}.",
    f"sys{CLOSE_TABLE}.",
)

# As SQLAlchemy spells them. None begins a write or another kind of statement, names a type that
# looks up tables (like regclass), or is a function that does more than compute.
_KEYWORDS: Final = frozenset(
    """
    SELECT DISTINCT FROM WHERE AND OR NOT AS JOIN LEFT OUTER INNER CROSS FULL ON IN IS NULL LIKE
    BETWEEN ORDER GROUP BY HAVING ASC DESC NULLS FIRST LAST LIMIT OFFSET FETCH NEXT ONLY ROW ROWS
    UNION ALL EXCEPT INTERSECT EXISTS CASE WHEN THEN ELSE END CAST COLLATE WITH RECURSIVE LATERAL
    OVER PARTITION FILTER ANY BIGINT BINARY BOOLEAN CHAR DATE DOUBLE FLOAT INTEGER NUMERIC
    PRECISION SMALLINT TEXT TIME TIMESTAMP UUID VARCHAR WITHOUT ZONE
    abs avg coalesce count lower length max min round row_number sum upper true false
    """.split()  # noqa: SIM905
)
_FOLDED: Final = {each: each.casefold() for each in _KEYWORDS}


def names_in_quiet(text: str, names: AbstractSet[str]) -> set[str] | None:
    """Return which tables a statement that is quiet could name: none, in most cases.

    Args:
        text: the whole statement, with marks.
        names: the case-folded names of the tables that belong to tenants; a table may have the
            name of a keyword.

    Returns:
        those of ``names`` that an identifier in it has, other than a confined table's or a
        qualifier; ``None`` if the statement is not quiet, so that raw SQL in it may name a table
        or reach rows unnamed.
    """
    words = set(_PART.findall(text))
    words.discard("")
    keywords = words & _KEYWORDS
    identifiers = words - keywords
    if not names.isdisjoint(map(_FOLDED.__getitem__, keywords)):
        return None
    for each in identifiers:
        if not each.startswith(OPEN):
            return None
    folded = text.casefold()
    if any(each in folded for each in _TELLING):
        return None
    return {unquoted(each[len(OPEN) : -len(CLOSE)]) for each in identifiers} & names
