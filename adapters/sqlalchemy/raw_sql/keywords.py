"""Tell a table's name from a keyword, type or function of the same spelling."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection
from typing import Final

from sqlalchemy import util

from ..databases import Database
from .patterns import GAP

__all__ = ["Places", "contains"]

_BEFORE_A_TABLE: Final = (
    r"\b(?:FROM|JOIN|STRAIGHT_JOIN|INTO|UPDATE|TABLE|ONLY|USING|EXISTS|REFERENCES|IGNORE|IN)\b"
)
_TABLE_AHEAD: Final = re.compile(rf"{_BEFORE_A_TABLE}(?:{GAP}|\()*+", re.IGNORECASE)
_INSERTS_INTO: Final = re.compile(r"\b(?:into|table|references|on)\s+(?:[\w.\"`]+\.\s*)?")

# Names of functions and types, and keywords, that SQLAlchemy's compilers render. In raw SQL they
# may also be the name of a table, without quotes.
_ALSO_WORDS: Final = frozenset(
    """bit boolean bytea char character coalesce count cube date datetime decimal double enum
    filter first float following integer interval json jsonb key last lateral level log max min
    mode month nullif numeric over partition preceding precision range rank real row rows set sets
    share smallint sum text time timestamp timestamptz unique user uuid value values varchar
    varying version database within without year zone""".split()  # noqa: SIM905
)

# Words that SQLAlchemy takes for reserved, and a database accepts as a table's name all the same.
_NOT_QUITE_RESERVED: Final = frozenset(
    """after analyze asc attach before begin between body by cascade cast column conflict cross
    current_catalog current_date current_role current_schema current_time current_timestamp
    current_user database deferred desc detach each elsif end exclusive explain fail false for full
    general glob goto history if ignore ignore_server_ids immediate indexed initially inner instead
    key left like localtime localtimestamp master_heartbeat_period match natural new of off offset
    old option others outer over package period plan position pragma query raise reindex rename
    replace restrict right rollback row rowtype schema session_user slow system system_time temp
    temporary trigger true user vacuum versioning view virtual window without""".split()  # noqa: SIM905
)

# Words after which a value may stand, and never a table. After any other word these words count as
# a table's name, since a list of those that a table may follow would never be complete.
_BEFORE_NO_TABLE: Final = frozenset(
    """select distinct all where and or not having by set when then else case end returning between
    as is limit offset over""".split()  # noqa: SIM905
)
# The same for one of these words each.
_PHRASES: Final[dict[str, frozenset[str]]] = {
    "first": frozenset({"nulls", "fetch"}),
    "following": frozenset({"unbounded"}),
    "key": frozenset({"duplicate", "primary", "foreign", "no", "for"}),
    "last": frozenset({"nulls"}),
    "preceding": frozenset({"unbounded"}),
    "precision": frozenset({"double"}),
    "row": frozenset({"current", "first", "next"}),
    "rows": frozenset({"first", "next"}),
    "share": frozenset({"for", "key"}),
    "time": frozenset({"with", "without", "at"}),
    "unique": frozenset({"constraint"}),
    "varying": frozenset({"bit", "char", "character"}),
    "without": frozenset({"time", "timestamp"}),
    "zone": frozenset({"time"}),
}
_LISTED: Final = ",("
_WORDS_AND_SIGNS: Final = re.compile(rf"(?P<gap>{GAP}++)|(?P<word>\w++)|(?P<sign>[\s\S])")

_BEGINS: Final = frozenset({"select", "values", "with"})


class Places:
    """The surroundings of positions in a text, found in one pass."""

    def __init__(self, folded: str) -> None:
        self.text = folded

    # Not functools.cached_property, which holds a lock meanwhile in Python 3.11.
    @util.ro_memoized_property
    def _behind_a_keyword(self) -> set[int]:
        return {each.end() for each in _TABLE_AHEAD.finditer(self.text)}

    @util.ro_memoized_property
    def _behind_into(self) -> set[int]:
        return {each.end() for each in _INSERTS_INTO.finditer(self.text)}

    @util.ro_memoized_property
    def _previous(self) -> dict[int, str]:
        """The token before each word, by the word's position."""
        found: dict[int, str] = {}
        previous = ""
        for token in _WORDS_AND_SIGNS.finditer(self.text):
            if token.lastgroup == "gap":
                continue
            if token.lastgroup == "word":
                found[token.start()] = previous
            # A table may be in parentheses behind a comma.
            is_listed = token[0] == "(" and previous in (",", _LISTED)
            previous = _LISTED if is_listed else token[0]
        return found

    def _may_follow(self, name: str, start: int) -> bool:
        """Return whether what stands before a word may come before something else than a table."""
        previous = self._previous.get(start, "")
        if previous == _LISTED:
            return False
        if not previous.replace("_", "a").isalnum() or previous.isdecimal():
            return True
        return previous in _BEFORE_NO_TABLE or previous in _PHRASES.get(name, ())

    def before(self, start: int) -> str:
        """Return the last character before ``start`` that is not a space."""
        while start and self.text[start - 1].isspace():
            start -= 1
        return self.text[start - 1 : start]

    def after(self, end: int) -> str:
        """Return the first character from ``end`` on that is not a space."""
        while self.text[end : end + 1].isspace():
            end += 1
        return self.text[end : end + 1]

    def is_reserved(self, name: str, start: int) -> bool:
        """Return whether a reserved word is a keyword here; as a table's name it needs quotes."""
        before = self.before(start)
        if before and before in "\"`['":
            return False
        if before == "." and self.after(start + len(name)) != "(":
            return False
        # SQLite treats some of these as names where nothing else is allowed.
        begins = name in _BEGINS and before == "(" and self.after(start + len(name)) != ")"
        return begins or start not in self._behind_a_keyword

    def is_known(self, name: str, start: int) -> bool:
        """Return the same for a word that may also be a table's name without quotes."""
        before = self.before(start)
        if not self._may_follow(name, start):
            return False
        if self.after(start + len(name)) == "(" and not (before and before in "\"`['"):
            return start not in self._behind_into
        return before != "," and self.is_reserved(name, start)


def contains(places: Places, name: str, reserved: Collection[str], database: Database) -> bool:
    """Return whether the text contains ``name``, neither as a part of a longer identifier nor as a
    keyword or function.
    """
    text = places.text
    # Also if it has exactly the maximum length, since a longer name in the text is cut to it.
    is_cut = len(name.encode()) >= (database.cuts_names_at or sys.maxsize)
    needle = database.cut(name)
    is_word: Callable[[str, int], bool] | None = None
    if name in _ALSO_WORDS or (name in reserved and name in _NOT_QUITE_RESERVED):
        is_word = places.is_known
    elif name in reserved:
        is_word = places.is_reserved
    start = text.find(needle)
    while start >= 0:
        end = start + len(needle)
        if (
            not _continues(text[start - 1 : start] if start else "", name[0])
            and (is_cut or not _continues(text[end : end + 1], name[-1]))
            and not (is_word is not None and is_word(name, start))
        ):
            return True
        start = text.find(needle, start + 1)
    return False


def _continues(neighbour: str, edge: str) -> bool:
    # If the name itself ends in a character that ends an identifier, such as a space in a quoted
    # name, anything may follow.
    return _is_letter(neighbour) and _is_letter(edge)


def _is_letter(character: str) -> bool:
    # Databases treat everything outside ASCII as a letter.
    return character == "_" or character.isalnum() or character > "\x7f"
