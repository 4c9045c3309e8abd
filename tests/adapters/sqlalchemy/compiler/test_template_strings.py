"""Template strings are raw SQL with parts that are guarded."""

from __future__ import annotations

import sys

import pytest
from sqlalchemy import Engine, func, select

from tests.tstrings import Interpolated, tstring, written
from tests.versions import needs_21

from .shop import SHOP, refused, seen


@needs_21
def test_a_template_string_that_names_the_table_is_refused(engine: Engine) -> None:
    refused(engine, tstring("SELECT id FROM comp_shop"))
    refused(engine, tstring("SELECT id FROM ", Interpolated(SHOP)))
    refused(engine, tstring("SELECT ", Interpolated(SHOP.c.id), " FROM ", Interpolated(SHOP)))


@needs_21
@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python has had this since 3.14")
def test_a_template_string_that_python_made_is_treated_alike(engine: Engine) -> None:
    refused(engine, written("SELECT id FROM {shop}", shop=SHOP))
    inner = select(func.count()).select_from(SHOP).scalar_subquery()
    assert seen(engine, written("SELECT {inner}", inner=inner)) == [(2,)]
    region = written("SELECT id FROM comp_region WHERE id = {number}", number=3)
    assert seen(engine, region) == [(3,)]


@needs_21
def test_a_template_string_with_a_guarded_subquery_is_confined(engine: Engine) -> None:
    inner = select(func.count()).select_from(SHOP).scalar_subquery()
    assert seen(engine, tstring("SELECT ", Interpolated(inner))) == [(2,)]


@needs_21
def test_a_template_string_cannot_widen_a_statement(engine: Engine) -> None:
    widening = tstring("1 = ", Interpolated(1), " OR 1 = 1")
    assert seen(engine, select(SHOP.c.id).where(widening)) == [(1,), (2,)]
    refused(engine, select(SHOP.c.id).where(tstring("1 = 1) OR (1 = 1")))


@needs_21
def test_a_template_string_on_shared_tables_works(engine: Engine) -> None:
    statement = tstring("SELECT id FROM comp_region WHERE id = ", Interpolated(3))
    assert seen(engine, statement) == [(3,)]
