"""The text of arrays, as PostgreSQL writes it."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw.adapters.sqlalchemy.lifecycle.arrays import array_items, mapped


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("{}", []),
        ("{1,NULL}", ["1", None]),
        ('{"NULL","a,b","{","q\\"\\\\","",\u00fc}', ["NULL", "a,b", "{", 'q"\\', "", "\u00fc"]),
        ("{{1,2},{3,NULL}}", [["1", "2"], ["3", None]]),
        ('{"a\nb"}', ["a\nb"]),
    ],
)
def test_items_are_texts_in_lists(text: str, items: list[Any]) -> None:
    assert array_items(text) == items


@pytest.mark.parametrize("text", ["[0:1]={5,6}", "", "1", "{1", "{1}}", "{1}x", '{"a}', "{}{}"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of any text
        array_items(text)


def test_items_are_converted_where_they_are() -> None:
    assert mapped(lambda each: each and int(each), [["1", None], ["3"]]) == [[1, None], [3]]
