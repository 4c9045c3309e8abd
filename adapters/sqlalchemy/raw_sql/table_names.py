"""Find the tables with tenants' rows that a text names.

The check errs on the safe side. A text that contains such a name anywhere, quoted or not, in
any case, in a comment or with a schema, counts as naming the table. A name in a string literal
is ignored only if the boundaries of literals are certain, neither the literal nor the text around
it looks like SQL that the database would execute, and no function gets it that could use it as a
table's name.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Final

from sqlalchemy.engine import Dialect

from ..databases import database_for
from .functions import literals_for_functions
from .keywords import Places, contains
from .marks import CLOSE, CLOSE_TABLE, MARKED, OPEN
from .patterns import DOUBTFUL, GAP, REACHES_UNNAMED

__all__ = ["misplaced", "named_anywhere", "unmarked_names", "unquoted", "without_literals"]

# Bound parameters in the forms that compilers render, before they become positional.
_PARAMETER: Final = re.compile(r"%\(\w+\)s|(?<![:\w]):\w+")
# An identifier may be spelled in escapes on PostgreSQL: U&"inv\006fice".
_ESCAPED_IDENTIFIER: Final = re.compile(r"""\bU&["']""", re.IGNORECASE)
_LOOKS_LIKE_SQL: Final = re.compile(
    r"\b(?:SELECT|TABLE|INSERT|UPDATE|DELETE|REPLACE|MERGE|COPY|TRUNCATE)\b", re.IGNORECASE
)
# From left to right, since each kind of quote may occur inside the others.
_QUOTED: Final = re.compile(r"""'((?:[^']|'')*)'|"(?:[^"]|"")*"|`(?:[^`]|``)*`""")
_QUOTED_ON_SQLITE: Final = re.compile(_QUOTED.pattern + r"|\[[^\]]*\]")
# What may come before a value, and never before a table's name.
_BEFORE_A_VALUE: Final = frozenset(
    """= < > | + select distinct returning where having by like glob is not when then else and or
    between""".split()  # noqa: SIM905
)
# Keywords after which a comma separates values, and after which it could separate tables.
_LISTS_VALUES: Final = frozenset("select returning set where having values".split())  # noqa: SIM905
_LISTS_TABLES: Final = frozenset("from join into update table using on".split())  # noqa: SIM905
_LISTS_VALUES_BY: Final = frozenset({"order", "group", "partition"})
_CALLS_NOTHING: Final = frozenset(
    "from join into update table only using exists references".split()  # noqa: SIM905
)
_NO_FUNCTIONS: Final = _CALLS_NOTHING | frozenset(
    """as in and or not where having on when then else case select distinct all union except
    intersect lateral any over values set by returning""".split()  # noqa: SIM905
)
_TOKEN_ON_SQLITE: Final = re.compile(
    r"""(?P<gap>\s++)|(?P<value>'(?:[^']|'')*+')|(?P<quoted>"(?:[^"]|"")*+"|`(?:[^`]|``)*+`"""
    r"""|\[[^\]]*+\])|(?P<word>\w++)|(?P<sign>[\s\S])"""
)

# A name that the guard has not rendered as a table's, except a qualifier, which has a dot after
# it.
_OTHER_NAME: Final = re.compile(rf"{OPEN}([^{CLOSE[0]}{CLOSE_TABLE[0]}]*+){CLOSE}(?!{GAP}*+\.)")
_TOKEN: Final = re.compile(
    rf"(?P<gap>{GAP}++)|{OPEN}(?P<name>[^{CLOSE[0]}{CLOSE_TABLE[0]}]*+)(?:{CLOSE}|{CLOSE_TABLE})"
    r"|(?P<word>[\w\"`]++)|(?P<sign>[\s\S])",
    re.IGNORECASE,
)
_AHEAD_OF_A_TABLE: Final = frozenset(
    """from join into update table only using exists references ignore in insert replace truncate
    straight_join handler copy lock""".split()  # noqa: SIM905
)
_ENDS_TABLES: Final = frozenset(
    """set where group having window order limit offset fetch for union except intersect returning
    select values""".split()  # noqa: SIM905
)

_WORD: Final = re.compile(r"\w++")


def unmarked_names(text: str, names: Collection[str], dialect: Dialect) -> set[str]:
    """Return those of ``names`` that ``text`` contains and the guard has not marked.

    Args:
        text: SQL, whole or in part.
        names: table names, case folded.
        dialect: the dialect that the text is for.
    """
    if not names:
        return set()
    if _ESCAPED_IDENTIFIER.search(text):
        return set(names)
    found = misplaced(text, names)
    # A placeholder that is not a word.
    text = _PARAMETER.sub(" ", MARKED.sub(" \x00 ", text))
    named = _named(text, names, dialect)
    if named and not DOUBTFUL.search(text) and not REACHES_UNNAMED.search(text):
        named = _named(_without_values(text, names, dialect), names, dialect)
    return found | named


def without_literals(text: str) -> str:
    """Return ``text`` without its string literals, if their boundaries are certain."""
    if DOUBTFUL.search(text):
        return text
    return _QUOTED.sub(lambda found: found[0] if found[1] is None else "''", text)


def misplaced(text: str, names: Collection[str], *, in_lists: bool = False) -> set[str]:
    """Return those of ``names`` in the place of a table that the guard has not rendered.

    Args:
        text: SQL, whole or in part.
        names: table names, case folded.
        in_lists: whether a name after a comma counts, which may also be a column's.
    """
    # Most statements have no such name, not even as a column's, and are searched only once.
    doubtful = {
        each.start(): plain
        for each in _OTHER_NAME.finditer(text)
        if (plain := unquoted(each[1])) in names
    }
    if not doubtful:
        return set()
    return {
        doubtful[start]
        for start, before, after in _places(text)
        if start in doubtful
        and (before == "keyword" or after == "(" or (in_lists and before == ","))
    }


def named_anywhere(text: str, names: Collection[str]) -> set[str]:
    """Return those of ``names`` that ``text`` contains and the guard has not rendered as a table's.

    For a statement that is none of SQLAlchemy's: what stands before a table in it is not known.
    """
    return {plain for each in _OTHER_NAME.finditer(text) if (plain := unquoted(each[1])) in names}


# Called for each name in each new statement, and these recur.
@lru_cache(maxsize=4_096)
def unquoted(name: str) -> str:
    """Return an identifier as it is compared: without its quotes, and case-folded."""
    return name.strip('"`[]').replace('""', '"').replace("``", "`").casefold()


def _places(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the position of each marked name, the token before it and the token after it.

    The token before it, and before its qualifiers, is ``keyword`` for a keyword that a table
    follows, even with parentheses in between, and for a comma between tables; otherwise a sign or
    an empty string.
    """
    ahead = origin = word = ""
    clauses = _Clauses()
    is_name = is_dotted = is_word = False
    waiting: tuple[int, str] | None = None
    for token in _TOKEN.finditer(text):
        kind, found = token.lastgroup, token[0]
        if kind == "gap":
            continue
        if waiting is not None:
            yield (*waiting, found)
            waiting = None
        if kind == "sign":
            is_dotted = is_name and found == "."
            is_name = False
            # A table may be in parentheses, but not behind IN.
            if not is_dotted and (found != "(" or ahead != "keyword" or word == "in"):
                ahead = "keyword" if found == "," and clauses.lists_tables else found
            clauses.take_sign(found, word if is_word else "")
            is_word = False
            continue
        if not is_dotted:
            origin = ahead
        is_name, is_dotted = True, False
        if kind == "name":
            waiting = (token.start(), origin)
        before, word = word, found.casefold()
        is_word = kind == "word"
        is_keyword = clauses.take_word(before, word) if is_word else False
        ahead = "keyword" if is_keyword and word in _AHEAD_OF_A_TABLE else ""
    if waiting is not None:
        yield (*waiting, "")


class _Clauses:
    """The clauses that the words of a text begin, in each of its open parentheses."""

    def __init__(self) -> None:
        self._lists = [False]
        self._calls = [False]

    @property
    def lists_tables(self) -> bool:
        """Whether a comma separates tables here."""
        return self._lists[-1]

    def take_sign(self, sign: str, word: str) -> None:
        """Take a sign, and the word before it."""
        if sign == "(":
            self._lists.append(False)
            self._calls.append(bool(word) and word not in _NO_FUNCTIONS)
        elif sign == ")" and len(self._lists) > 1:
            self._lists.pop()
            self._calls.pop()

    def take_word(self, before: str, word: str) -> bool:
        """Take a word, and return whether it is a keyword as it stands here."""
        if word == "select":
            self._calls[-1] = False
        # As in IS DISTINCT FROM and EXTRACT(year FROM ...).
        if word == "from" and (before == "distinct" or self._calls[-1]):
            return False
        if word in ("from", "using"):
            self._lists[-1] = True
        elif word == "update":
            # Not in FOR UPDATE and ON DUPLICATE KEY UPDATE.
            self._lists[-1] = before not in ("for", "key")
        elif word in _ENDS_TABLES:
            self._lists[-1] = False
        return True


def _without_values(text: str, names: Collection[str], dialect: Dialect) -> str:
    loose_quotes = database_for(dialect).loose_quotes
    values = _values_on_sqlite(text) if loose_quotes else set[int]()
    given = {start for start, _, _ in literals_for_functions(text)}

    def unless_it_counts(found: re.Match[str]) -> str:
        content: str | None = found[1]
        if content is None or _LOOKS_LIKE_SQL.search(content) or found.start() in given:
            return found[0]
        # SQLite treats 'invoice' as an identifier where a value is not allowed.
        if (
            loose_quotes
            and content.replace("''", "'").casefold() in names
            and found.start() not in values
        ):
            return found[0]
        return " "

    quoted = _QUOTED_ON_SQLITE if loose_quotes else _QUOTED
    return quoted.sub(unless_it_counts, text)


def _values_on_sqlite(text: str) -> set[int]:
    """Return the positions of the literals in ``text`` that can only be values."""
    found: set[int] = set()
    # For each open parenthesis, whether commas in it separate values, as known so far.
    lists: list[bool] = [False]
    before = ""
    for token in _TOKEN_ON_SQLITE.finditer(text):
        kind, now = token.lastgroup, token[0].casefold()
        if kind == "gap":
            continue
        if kind == "value":
            if before in _BEFORE_A_VALUE or (before in ("(", ",") and lists[-1]):
                found.add(token.start())
        elif now == "(":
            is_call = before.isidentifier() and before not in _CALLS_NOTHING
            lists.append(is_call)
        elif now == ")":
            if len(lists) > 1:
                lists.pop()
            now = ""
        elif now in _LISTS_VALUES:
            lists[-1] = True
        elif now in _LISTS_TABLES:
            lists[-1] = False
        elif now == "by":
            lists[-1] = before in _LISTS_VALUES_BY
        # A quoted name is not a keyword.
        before = "" if kind in ("value", "quoted") else now
    return found


def _named(text: str, names: Collection[str], dialect: Dialect) -> set[str]:
    folded = text.casefold()
    # A quote within a quoted identifier is written twice.
    texts = {folded, folded.replace('""', '"').replace("``", "`")}
    reserved = dialect.identifier_preparer.reserved_words
    database = database_for(dialect)
    places = [Places(each) for each in texts]
    others = _no_plain_words(frozenset(names), database.cuts_names_at or sys.maxsize)
    words = {word for each in texts for word in _WORD.findall(each)}
    candidates = {*others, *words.intersection(names)}
    return {
        name
        for name in candidates
        if any(contains(each, name, reserved, database) for each in places)
    }


@lru_cache(maxsize=8)
def _no_plain_words(names: frozenset[str], cut_at: int) -> tuple[str, ...]:
    """Return those of ``names`` that a text may contain in another form than as a word.

    They have characters that are not part of a word, or are so long that a longer name is cut to
    them.
    """
    return tuple(
        each for each in names if not _WORD.fullmatch(each) or len(each.encode()) >= cut_at
    )
