"""Mutants of what a column can hold, in every object for its table."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant

__all__ = ["MUTANTS"]

_DEFINITIONS: Final = f"{TESTS}/ownership/test_definitions.py"
_ROUNDED: Final = f"{TESTS}/ownership/test_rounded_keys.py"
_NARROWING: Final = f"{TESTS}/ownership/test_narrowing.py"
_LOOKUP_VALUES: Final = f"{TESTS}/execution/test_lookup_values.py"

MUTANTS: Final = (
    Mutant(
        "definitions-fits",
        "Another MetaData's narrower foreign key counts for nothing.",
        "        for own in columns\n",
        "        for own in columns[:1]\n",
        (f"{_DEFINITIONS}::test_a_foreign_key_holds_what_it_holds_in_every_definition",),
    ),
    Mutant(
        "definitions-computed",
        "A foreign key that another MetaData says is computed is not looked up.",
        "is_computed=any(each.computed is not None for each in found)",
        "is_computed=found[0].computed is not None",
        (f"{_DEFINITIONS}::test_a_foreign_key_that_one_definition_computes_is_refused",),
    ),
    Mutant(
        "definitions-parent",
        "A parent that only another MetaData defines is compared with nothing.",
        "near.get(id(own.table.metadata), referred)",
        "near.get(id(own.table.metadata), ())",
        (f"{_DEFINITIONS}::test_a_parent_that_only_another_metadata_defines_is_compared_with",),
    ),
    Mutant(
        "definitions-tenant",
        "A tenant need not fit the shorter column of another MetaData.",
        "    return _all_accept([accepts, *limits])",
        "    return accepts",
        (f"{_DEFINITIONS}::test_a_tenant_fits_every_definition_of_its_column",),
    ),
    Mutant(
        "number-of-text",
        "A text is no number that could be beyond the column.",
        "        return number is not None and low <= number <= high and",
        "        return number is None or low <= number <= high and",
        (_DEFINITIONS, _ROUNDED, _NARROWING),
    ),
    Mutant(
        "alike-unknown",
        "What is not known to be alike holds every key.",
        "    # What is not known to be alike holds nothing.\n    return _holds_nothing",
        "    return None",
        (_ROUNDED, _NARROWING),
    ),
    Mutant(
        "padded-text",
        "A CHAR keeps the spaces at the end of a key.",
        '(is_padded and text.endswith(" "))',
        "False",
        (_NARROWING, f"{TESTS}/execution/test_narrow_keys.py"),
    ),
    Mutant(
        "list-key",
        "A key that has no hash is none.",
        "        return set(values)\n    except TypeError:\n",
        "        return set(values)\n    except TypeError:\n        return set()\n",
        (f"{_LOOKUP_VALUES}::test_a_key_that_is_an_array_is_looked_up_if_it_is_a_tuple",),
    ),
)
