"""Statements of which one look tells that no check of raw SQL can find anything.

Most are made of constructs alone: words that SQLAlchemy itself renders for a ``SELECT``,
operators, parameters and marked identifiers. The checks take as long as the compilation, so
they are left out where there is nothing for them. Whatever is not known here is not quiet.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import Final

from .marks import CLOSE, CLOSE_TABLE, OPEN

__all__ = ["is_quiet"]

# A parameter, a marked identifier of one plain word that is not called as a function, or what
# is neither a word nor begins a literal, a comment or another statement; and as a group of its
# own whatever is left: a word, a quote, an escape, a semicolon, a mark.
_PART: Final = re.compile(
    rf"{OPEN}[\"`]?\w++[\"`]?(?:{CLOSE}|{CLOSE_TABLE})(?!\s*+\()"
    r"|%\(\w++\)s|(?<![:\w]):\w++|__\[POSTCOMPILE_\w++\]"
    r"|[\s\d,()=<>!.*+|?]++|[%:]|-(?!-)|/(?!\*)"
    r"|([^\W\d]\w*+|[\s\S])"
)
# Relations that hold rows of others, or values out of them; the rest of what reaches rows
# unnamed is called as a function, or takes a word that is not listed below.
_TELLING: Final = ("pg_", "sqlite_", "column_stat")

# As SQLAlchemy spells them. None begins a write or a statement of another kind, names a type
# that looks tables up (as regclass does), or calls what does more than compute.
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
    """Return whether nothing in a statement can name a table or reach a row unnamed.

    Args:
        text: the whole statement, with the marks.
        sent: the same without them.
        names: the names of the tables that belong to tenants, case folded. A table may have
            the name of a keyword.
    """
    words = set(_PART.findall(text))
    words.discard("")
    if not words <= _KEYWORDS or not names.isdisjoint(map(_FOLDED.__getitem__, words)):
        return False
    folded = sent.casefold()
    return not any(each in folded for each in _TELLING)
