"""Mutants of what a database converts, and of what is put into a statement that was compiled."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant, leak

__all__ = ["MUTANTS"]

_LATER: Final = f"{TESTS}/execution/test_put_in_later.py"
_NARROW: Final = f"{TESTS}/execution/test_narrow_keys.py"
_CONVERSIONS: Final = f"{TESTS}/compiler/test_conversions.py"

MUTANTS: Final = (
    Mutant(
        "put-in-later",
        "What a type writes at execution is not checked.",
        "            self.raw.check_later(text, writes=self._writes)",
        "            pass",
        (_LATER,),
    ),
    Mutant(
        "put-in-schema",
        "The name of a schema may be any SQL.",
        "        check_schemas(schema_translate_map, statement, self.dialect)",
        "        pass",
        (leak("put in later: the name of a schema that is more than a name"),),
    ),
    Mutant(
        "narrow-value",
        "A value is looked up that the database rounds or cuts.",
        "        if reference.is_narrower:",
        "        if False:",
        (_NARROW,),
    ),
    Mutant(
        "narrow-proof",
        "An expression is proven that the database rounds or cuts.",
        "needs_value = reference.to_own_rows or reference.is_narrower",
        "needs_value = reference.to_own_rows",
        (_NARROW,),
    ),
    Mutant(
        "cut-name",
        "A name that the database cuts is another column.",
        "if any(name != each and self.cut(name) == self.cut(each) for each in self.sensitive):",
        "if False:",
        (f"{TESTS}/compiler/test_cut_names.py",),
    ),
    Mutant(
        "unlike-types",
        "A text that is compared with a number never fails.",
        'return kinds != {_UNKNOWN} and (len(kinds) <= 1 or kinds == {_UNKNOWN, "text"})',
        "return True",
        (_CONVERSIONS,),
    ),
    Mutant(
        "malformed-pattern",
        "A pattern may end with its escape character.",
        "processors[name] = partial(_checked_pattern, escape, processors.get(name))",
        "pass",
        (_CONVERSIONS,),
    ),
    Mutant(
        "function-of-schema",
        "A function of a schema is taken for the database's.",
        '    if getattr(function, "packagenames", ()):',
        "    if False:",
        (_CONVERSIONS,),
    ),
    Mutant(
        "converted-tenant",
        "The database may convert a tenant's identifier.",
        "    refuse_converted(type_, label)",
        "    pass",
        (f"{TESTS}/ownership/test_converted_tenants.py",),
    ),
)
