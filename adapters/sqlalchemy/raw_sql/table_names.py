"""Which tables that belong to tenants does a text name?

The check errs on one side only. A text that names such a table anywhere, quoted or not, in any
case, in a comment or with a schema, counts as naming it. A name inside a string literal is let
off only where the text leaves no doubt about where literals begin and end, where neither the
literal nor what is around it looks like SQL that the database would run, and where no function
is given it that may take it for a table's name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from sqlalchemy.engine import Dialect

from .functions import literals_for_functions
from .marks import CLOSE, CLOSE_TABLE, MARKED, OPEN
from .patterns import DOUBTFUL, GAP, REACHES_UNNAMED

__all__ = ["misplaced", "unmarked_names", "without_literals"]

# Bound parameters in the forms that compilers render, before they become positional.
_PARAMETER: Final = re.compile(r"%\(\w+\)s|(?<![:\w]):\w+")
# An identifier may be spelled in escapes on PostgreSQL: U&"inv\006fice".
_ESCAPED_IDENTIFIER: Final = re.compile(r"""\bU&["']""", re.IGNORECASE)
_LOOKS_LIKE_SQL: Final = re.compile(
    r"\b(?:SELECT|TABLE|INSERT|UPDATE|DELETE|REPLACE|MERGE|COPY|TRUNCATE)\b", re.IGNORECASE
)
# From left to right, since each kind of quote may stand inside of the others.
_QUOTED: Final = re.compile(r"""'((?:[^']|'')*)'|"(?:[^"]|"")*"|`(?:[^`]|``)*`""")
_QUOTED_ON_SQLITE: Final = re.compile(_QUOTED.pattern + r"|\[[^\]]*\]")
# What a value is compared with, or made of: no table's name stands behind it.
_BEFORE_A_VALUE: Final = re.compile(
    r"(?:[=<>|+]|\b(?:SELECT|DISTINCT|RETURNING|WHERE|HAVING|BY|LIKE|GLOB|IS|NOT|WHEN"
    r"|THEN|ELSE|AND|OR|BETWEEN))\s*\Z",
    re.IGNORECASE,
)
# Where a comma goes on with values, and where it could go on with tables.
_LIST: Final = re.compile(
    r"\b(?:(SELECT|RETURNING|SET|WHERE|HAVING|VALUES|(?:ORDER|GROUP|PARTITION)\s+BY)"
    r"|FROM|JOIN|INTO|UPDATE|TABLE|USING|ON|BY)\b",
    re.IGNORECASE,
)
_INNERMOST: Final = re.compile(r"\([^()]*\)")
_CALLED: Final = re.compile(
    r"(?<![\w\"`])(?!(?:FROM|JOIN|INTO|UPDATE|TABLE|ONLY|USING|EXISTS|REFERENCES)\b)"
    r"\w+\s*\Z",
    re.IGNORECASE,
)

_BEFORE_A_TABLE: Final = (
    r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|ONLY|USING|EXISTS|REFERENCES|IGNORE|IN)\b"
)
_TABLE_AHEAD: Final = re.compile(rf"{_BEFORE_A_TABLE}(?:{GAP}|\()*+\Z", re.IGNORECASE)
_INSERTS_INTO: Final = re.compile(r"\b(?:into|table|references|on)(?:\s+[\w.\"`]+\.)?\Z")

# A name that the guard has not rendered as a table's, and whether it is that of a column's table,
# which a dot follows.
_OTHER_NAME: Final = re.compile(
    rf"{OPEN}([^{CLOSE[0]}{CLOSE_TABLE[0]}]*+){CLOSE}(?!{GAP}*+\.)", re.IGNORECASE
)
_TOKEN: Final = re.compile(
    rf"(?P<gap>{GAP}++)|{OPEN}(?P<name>[^{CLOSE[0]}{CLOSE_TABLE[0]}]*+)(?:{CLOSE}|{CLOSE_TABLE})"
    r"|(?P<word>[\w\"`]++)|(?P<sign>[\s\S])",
    re.IGNORECASE,
)
_AHEAD_OF_A_TABLE: Final = frozenset(
    "from join into update table only using exists references ignore in".split()  # noqa: SIM905
)

# Names that SQLAlchemy's compilers render themselves, of functions, of types and in syntax. In
# raw SQL they may stand for a table without quotes.
_ALSO_WORDS: Final = frozenset(
    """bit boolean bytea char character coalesce count cube date datetime decimal double enum
    filter first float integer interval json jsonb last lateral level max min mode month
    nullif numeric over partition precision range rank real row rows set sets smallint sum text
    time timestamp timestamptz unique user uuid value values varchar varying version database
    within without year zone""".split()  # noqa: SIM905
)

_BEGINS: Final = frozenset({"select", "values", "with"})

# PostgreSQL cuts names to as many bytes (NAMEDATALEN less one).
_CUT_AT: Final = 63


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
    # Something stands there, which is no word.
    text = _PARAMETER.sub(" ", MARKED.sub(" \x00 ", text))
    named = _named(text, names, dialect)
    if named and not DOUBTFUL.search(text) and not REACHES_UNNAMED.search(text):
        named = _named(_without_values(text, names, dialect), names, dialect)
    return found | named


def without_literals(text: str) -> str:
    """Return ``text`` without its string literals, where there is no doubt about them."""
    if DOUBTFUL.search(text):
        return text
    return _QUOTED.sub(lambda found: found[0] if found[1] is None else "''", text)


def misplaced(text: str, names: Collection[str], *, in_lists: bool = False) -> set[str]:
    """Return those of ``names`` that stand for a table and that the guard has not rendered.

    Args:
        text: SQL, whole or in part.
        names: table names, case folded.
        in_lists: whether a name behind a comma counts, which may also be a column's.
    """
    # Most statements have no such name at all, be it a column's, and are looked through once.
    doubtful = {
        each.start(): plain
        for each in _OTHER_NAME.finditer(text)
        if (plain := _unquoted(each[1])) in names
    }
    if not doubtful:
        return set()
    return {
        doubtful[start]
        for start, before, after in _places(text)
        if start in doubtful
        and (before == "keyword" or after == "(" or (in_lists and before == ","))
    }


def _unquoted(name: str) -> str:
    return name.strip('"`[]').replace('""', '"').replace("``", "`").casefold()


def _places(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield where a marked name begins, what stands before it, and what comes after it.

    Before it, and before the names and dots that qualify it: ``keyword`` for what a table
    follows, also with parentheses between the two, else a sign.
    """
    ahead = origin = ""
    is_name = is_dotted = False
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
            if not is_dotted and (found != "(" or ahead != "keyword"):
                ahead = found
            continue
        if not is_dotted:
            origin = ahead
        is_name, is_dotted = True, False
        if kind == "name":
            waiting = (token.start(), origin)
        ahead = "keyword" if found.casefold() in _AHEAD_OF_A_TABLE else ""
    if waiting is not None:
        yield (*waiting, "")


def _without_values(text: str, names: Collection[str], dialect: Dialect) -> str:
    given = {start for start, _, _ in literals_for_functions(text)}

    def unless_it_counts(found: re.Match[str]) -> str:
        content: str | None = found[1]
        if content is None or _LOOKS_LIKE_SQL.search(content) or found.start() in given:
            return found[0]
        # SQLite takes 'invoice' for an identifier where a value cannot stand.
        if (
            dialect.name == "sqlite"
            and content.replace("''", "'").casefold() in names
            and not _is_a_value(text[: found.start()])
        ):
            return found[0]
        return " "

    quoted = _QUOTED_ON_SQLITE if dialect.name == "sqlite" else _QUOTED
    return quoted.sub(unless_it_counts, text)


def _is_a_value(before: str) -> bool:
    """Say whether what follows ``before`` is a value, whatever it looks like."""
    if _BEFORE_A_VALUE.search(before):
        return True
    bare = _QUOTED_ON_SQLITE.sub(" ", before)
    while (inner := _INNERMOST.sub(" ", bare)) != bare:
        bare = inner
    bare = bare.rstrip()
    if bare[-1:] not in (",", "("):
        return False
    head, opening, inside = bare.rpartition("(")
    clauses = _LIST.findall(inside)
    if clauses:
        return bool(clauses[-1])
    return bool(opening) and _CALLED.search(head) is not None


def _named(text: str, names: Collection[str], dialect: Dialect) -> set[str]:
    # A quote within a quoted identifier is written twice.
    folded = text.casefold()
    plain = folded.replace('""', '"').replace("``", "`")
    reserved = dialect.identifier_preparer.reserved_words
    cuts = dialect.name == "postgresql"
    return {
        name
        for name in names
        if _contains(folded, name, reserved, cuts=cuts)
        or _contains(plain, name, reserved, cuts=cuts)
    }


def _contains(folded: str, name: str, reserved: Collection[str], *, cuts: bool) -> bool:
    """Say whether ``name`` stands in ``folded`` with nothing before or after that could
    make it part of a longer identifier, nor as another word.
    """
    is_cut = cuts and len(name.encode()) >= _CUT_AT
    needle = name.encode()[:_CUT_AT].decode(errors="ignore") if is_cut else name
    is_word = _is_reserved if name in reserved else _is_known if name in _ALSO_WORDS else _is_none
    start = folded.find(needle)
    while start >= 0:
        end = start + len(needle)
        before, after = folded[:start], folded[end:]
        if (
            not _continues(before[-1:], name[0])
            and (is_cut or not _continues(after[:1], name[-1]))
            and not is_word(name, before.rstrip(), after.lstrip())
        ):
            return True
        start = folded.find(needle, start + 1)
    return False


def _is_none(name: str, before: str, after: str) -> bool:
    return False


def _is_reserved(name: str, before: str, after: str) -> bool:
    """Say whether between these stands a keyword, and no table's name: that has quotes."""
    if before[-1:] in ('"', "`", "[", "'") or (before[-1:] == "." and after[:1] != "("):
        return False
    # SQLite takes some of these for names where nothing else can stand.
    return (name in _BEGINS and before[-1:] == "(") or _TABLE_AHEAD.search(before) is None


def _is_known(name: str, before: str, after: str) -> bool:
    """Say the same of a word that may also stand for a table without quotes."""
    if after[:1] == "(" and before[-1:] not in ('"', "`", "[", "'"):
        return _INSERTS_INTO.search(before) is None
    return before[-1:] != "," and _is_reserved(name, before, after)


def _continues(neighbour: str, edge: str) -> bool:
    # Where the name itself ends in a character that no identifier goes on after, such
    # as a space in a quoted one, anything may follow.
    return _is_letter(neighbour) and _is_letter(edge)


def _is_letter(character: str) -> bool:
    # Databases take everything outside of ASCII for a letter.
    return character == "_" or character.isalnum() or character > "\x7f"
