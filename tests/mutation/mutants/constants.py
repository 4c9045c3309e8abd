"""Mutants of constants in INSERT ... SELECT."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant

__all__ = ["MUTANTS"]

_WRITES: Final = f"{TESTS}/compiler/test_writes.py"

MUTANTS: Final = (
    Mutant(
        "constants-inside",
        "A constant has the type text in INSERT ... SELECT on PostgreSQL.",
        "    if not isinstance(source, Select):\n        return columns",
        "    if True:\n        return columns",
        (
            f"{_WRITES}::test_insert_from_select_takes_a_constant_for_the_type_of_its_column[postgresql]",
        ),
    ),
    Mutant(
        "constants-null",
        "NULL has the type text in INSERT ... SELECT on PostgreSQL.",
        "    return isinstance(value, Null | BindParameter)",
        "    return isinstance(value, BindParameter)",
        (f"{_WRITES}::test_insert_from_select_takes_a_null_for_any_type[postgresql-null]",),
    ),
    Mutant(
        "constants-parameter",
        "A parameter has the type text in INSERT ... SELECT on PostgreSQL.",
        "    return isinstance(value, Null | BindParameter)",
        "    return isinstance(value, Null)",
        (f"{_WRITES}::test_a_null_that_the_driver_writes_into_the_statement_is_of_any_type",),
    ),
    Mutant(
        "constants-coerced",
        "NULL of a type has the type text in INSERT ... SELECT on PostgreSQL.",
        "    while isinstance(value, TypeCoerce):",
        "    while False:",
        (f"{_WRITES}::test_insert_from_select_takes_a_null_for_any_type[postgresql-coerced]",),
    ),
    Mutant(
        "constants-literal",
        "A column that has the name of a constant is taken for it.",
        "value.is_literal and _CONSTANT.fullmatch(value.name) is not None",
        "_CONSTANT.fullmatch(value.name) is not None",
        (f"{_WRITES}::test_a_column_called_like_a_constant_is_none",),
    ),
    Mutant(
        "constants-raw",
        "Raw SQL that is no constant is moved out of its SELECT.",
        "value.is_literal and _CONSTANT.fullmatch(value.name) is not None",
        "value.is_literal",
        (f"{_WRITES}::test_raw_sql_that_is_no_constant_stays_in_its_select",),
    ),
)
