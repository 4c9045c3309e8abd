"""Mutants of foreign keys whose types convert them."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant

__all__ = ["MUTANTS"]

_KEY_TYPES: Final = f"{TESTS}/compiler/test_key_types.py"

MUTANTS: Final = (
    Mutant(
        "key-type-more",
        "A type may read another key than its value.",
        "    if any(map(_is_more, parts)) or sum(",
        "    if sum(",
        (f"{_KEY_TYPES}::test_a_type_that_makes_another_key_is_refused",),
    ),
    Mutant(
        "key-type-once",
        "A type may leave its value out, or use it twice.",
        "if any(map(_is_more, parts)) or sum(each is given for each in parts) != 1:",
        "if any(map(_is_more, parts)):",
        (f"{_KEY_TYPES}::test_a_type_that_makes_another_key_is_refused",),
    ),
    Mutant(
        "key-type-column",
        "A type may make a key of raw SQL.",
        "    ColumnClause,\n    FromClause,\n",
        "    FromClause,\n",
        (f"{_KEY_TYPES}::test_a_type_that_makes_another_key_is_refused",),
    ),
    Mutant(
        "key-type-from",
        "A type may make a key of a FROM.",
        "    FromClause,\n    SelectBase,\n    TextClause,\n)",
        "    SelectBase,\n    TextClause,\n)",
        (f"{_KEY_TYPES}::test_a_type_that_makes_another_key_is_refused",),
    ),
    Mutant(
        "key-type-select",
        "A type may make a key of a subquery.",
        "    SelectBase,\n    TextClause,\n)",
        "    TextClause,\n)",
        (f"{_KEY_TYPES}::test_a_type_that_makes_another_key_is_refused",),
    ),
    Mutant(
        "key-type-text",
        "A type may make a key of text.",
        "    SelectBase,\n    TextClause,\n)",
        "    SelectBase,\n)",
        (f"{_KEY_TYPES}::test_a_type_that_makes_another_key_is_refused",),
    ),
    Mutant(
        "key-type-function",
        "A function in a type's conversion is taken for a FROM.",
        "    return isinstance(part, _MORE_THAN_THE_VALUE) and not is_function",
        "    return isinstance(part, _MORE_THAN_THE_VALUE)",
        (f"{_KEY_TYPES}::test_the_key_that_is_written_is_looked_up",),
    ),
    Mutant(
        "key-type-variant",
        "The types that replace a type on some databases may convert as they like.",
        "        for each in (type_, *type_._variant_mapping.values())",
        "        for each in (type_,)",
        (_KEY_TYPES,),
    ),
    Mutant(
        "key-type-dialect",
        "The conversion of a variant is not that of its database.",
        "value.type.dialect_impl(dialect).bind_expression(value)",
        "value.type.bind_expression(value)",
        (_KEY_TYPES,),
    ),
    Mutant(
        "key-type-note",
        "A type is not looked at before its statement is sent.",
        "            check_conversion(note.given or bind.type, dialect, note.reference)",
        "            pass",
        (f"{_KEY_TYPES}::test_a_type_that_makes_another_key_is_refused",),
    ),
    Mutant(
        "key-type-system",
        "A system scope writes a key that its type makes.",
        "        check_conversion(type_, connection.dialect, written.reference)",
        "        pass",
        (f"{_KEY_TYPES}::test_a_flush_in_a_system_scope_refuses_it_as_well",),
    ),
    Mutant(
        "key-type-null",
        "A key that a type makes of NULL is not looked up.",
        "            if isinstance(value, Null) or is_sqlalchemys_own(column.type):",
        "            if True:",
        (f"{_KEY_TYPES}::test_a_type_that_makes_a_key_of_none_is_refused",),
    ),
)
