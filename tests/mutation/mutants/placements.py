"""Mutants of types that each tenant's schema has of its own."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant

__all__ = ["MUTANTS"]

_TYPES: Final = f"{TESTS}/placements/test_types.py"

MUTANTS: Final = (
    Mutant(
        "type-prepared",
        "A type of each schema's own is used where statements are prepared.",
        "        if not prepares(self._dialect, dbapi_connection):",
        "        if True:",
        (
            f"{_TYPES}::test_a_type_that_each_schema_has_of_its_own_is_refused_where_statements_are_prepared",
        ),
    ),
    Mutant(
        "type-asyncpg",
        "asyncpg is said to prepare nothing.",
        'frozenset({"asyncpg", "psycopg"})',
        'frozenset({"psycopg"})',
        (f"{_TYPES}::test_it_is_refused_with_async_drivers_too",),
    ),
    Mutant(
        "type-psycopg",
        "psycopg is said to prepare nothing.",
        'frozenset({"asyncpg", "psycopg"})',
        'frozenset({"asyncpg"})',
        (
            f"{_TYPES}::test_a_type_that_each_schema_has_of_its_own_is_refused_where_statements_are_prepared",
        ),
    ),
    Mutant(
        "type-driver",
        "A driver that prepares nothing is said to.",
        "    return dialect.driver in _PREPARING and getattr(",
        "    return getattr(",
        (f"{_TYPES}::test_types_that_work_in_each_schema_are_accepted",),
    ),
    Mutant(
        "type-threshold",
        "A connection that prepares nothing is said to.",
        ' and getattr(own, "prepare_threshold", 0) is not None',
        "",
        (f"{_TYPES}::test_types_that_work_in_each_schema_are_accepted",),
    ),
    Mutant(
        "type-array",
        "The type of an array's items is not looked at.",
        "            if isinstance(declared, ARRAY):",
        "            if False:",
        (_TYPES,),
    ),
    Mutant(
        "type-domain",
        "A domain of each schema's own is used.",
        "isinstance(declared, ENUM | DOMAIN)",
        "isinstance(declared, ENUM)",
        (_TYPES,),
    ),
    Mutant(
        "type-schema",
        "A type in a common schema is refused.",
        " and declared.schema is None:",
        ":",
        (_TYPES,),
    ),
    Mutant(
        "type-decorated",
        "A type behind several of the application's own is not found.",
        (
            "    while isinstance(declared, TypeDecorator):\n"
            "        declared = declared.impl_instance"
        ),
        ("    if isinstance(declared, TypeDecorator):\n        declared = declared.impl_instance"),
        (_TYPES,),
    ),
    Mutant(
        "type-relation",
        "The type of a table's rows is taken for an enumerated one.",
        "ARRAY['e', 'd']",
        "ARRAY['e', 'd', 'c']",
        (f"{_TYPES}::test_a_table_of_that_name_is_no_such_type",),
    ),
)
