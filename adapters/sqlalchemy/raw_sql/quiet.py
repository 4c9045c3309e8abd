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

__all__ = ["is_quiet"]

# A parameter; a marked identifier of one plain word that is not called as a function; or
# characters that neither are a word nor begin a literal, a comment or another statement. The
# group matches everything else: a word, a quote, an escape, a semicolon, a mark.
_PART: Final = re.compile(
    rf"{OPEN}[\"`]?\w++[\"`]?(?:{CLOSE}|{CLOSE_TABLE})(?!\s*+\()"
    r"|%\(\w++\)s|(?<![:\w]):\w++|__\[POSTCOMPILE_\w++\]"
    r"|[\s\d,()=<>!.*+|?]++|[%:]|-(?!-)|/(?!\*)"
    r"|([^\W\d]\w*+|[\s\S])"
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
    "sys.",
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


def is_quiet(text: str, sent: str, names: AbstractSet[str]) -> bool:
    """Return whether raw SQL in a statement cannot name a table or reach rows unnamed.

    Args:
        text: the whole statement, with marks.
        sent: the same without marks.
        names: the case-folded names of the tables that belong to tenants; a table may have the
            name of a keyword.
    """
    words = set(_PART.findall(text))
    words.discard("")
    if not words <= _KEYWORDS or not names.isdisjoint(map(_FOLDED.__getitem__, words)):
        return False
    folded = sent.casefold()
    return not any(each in folded for each in _TELLING)
