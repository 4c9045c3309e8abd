"""A copy catches up in rounds, is made again if it cannot, and there is one at a time."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy.provisioning import Fleet, following
from tenantshield_mw.adapters.sqlalchemy.provisioning.copying import Rows
from tenantshield_mw.adapters.sqlalchemy.provisioning.following import Copy
from tenantshield_mw.adapters.sqlalchemy.provisioning.journal import Journal

from .estates import Estate
from .lived import follow, of_acme


def test_a_copy_that_cannot_follow_says_so_and_leaves_the_source_alone(
    built: tuple[Estate, Fleet], lived: Estate, both: tuple[Rows, Rows]
) -> None:
    exchanged = (
        "INSERT INTO life_line SELECT md5(id), tenant_id, number, 2, text FROM life_line",
        "UPDATE life_line SET position = position + 10",
    )
    lived.here.run(*exchanged)
    # In one statement, and for a constraint that is checked at its end.
    swap = "UPDATE life_line SET position = 23 - position"
    constraint = "life_line_tenant_id_number_position_key"
    lived.here.run(
        f"ALTER TABLE public.life_line DROP CONSTRAINT {constraint}",
        f"ALTER TABLE public.life_line ADD CONSTRAINT {constraint} "
        "UNIQUE (tenant_id, number, position) DEFERRABLE",
    )
    assert not follow(built, both, swap)
    rows = of_acme(lived, "public")
    source, target = both
    target.erase()
    with Journal.opened(built[1]) as journal:
        source.copy_to(target, journal)
    assert of_acme(lived, "acme") == rows == of_acme(lived, "public")


@pytest.mark.parametrize("rounds", [1, 4])
def test_it_catches_up_until_little_changes(
    built: tuple[Estate, Fleet],
    lived: Estate,
    both: tuple[Rows, Rows],
    monkeypatch: pytest.MonkeyPatch,
    rounds: int,
) -> None:
    catch_up, found = Copy._catch_up, list[int | None]()

    def changing(self: Copy, **how: Any) -> int | None:
        if len(found) < rounds:
            # Less each time.
            lived.here.run(
                "INSERT INTO life_tag (tenant_id, text) SELECT 'acme', 'new' "
                f"FROM generate_series(1, {2 * (rounds - len(found)) - 1})"
            )
        found.append(catch_up(self, **how))
        return found[-1]

    monkeypatch.setattr(following, "_FEW", 1)
    monkeypatch.setattr(Copy, "_catch_up", changing)
    assert follow(built, both)
    assert found == [*range(2 * rounds - 1, 0, -2), 0]
    assert of_acme(lived, "acme") == of_acme(lived, "public")


def test_a_copy_waits_for_the_end_of_one_whose_mover_was_killed(
    both: tuple[Rows, Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_PATIENCE", 0.1)
    with (
        Copy.opened(*both),
        pytest.raises(ConfigurationError, match="has not ended the transaction"),
        Copy.opened(*both),
    ):
        pass


DOCUMENTS = [
    '{"b": 1,   "a": 2, "b": 3}',
    '[0.12345678901234567890123, 1.00, 1e400, "\\u00e9\u00e9"]',
    "null",
]
"""Python's json would write each of them otherwise, or not at all."""


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_is_the_same_text(
    built: tuple[Estate, Fleet], lived: Estate, both: tuple[Rows, Rows], document: str
) -> None:
    before = f"UPDATE life_sample SET document = '{document}' WHERE id % 2 = 0"
    lived.here.run(before)
    # Some are copied at once, and others afterwards.
    assert follow(built, both, before.replace("= 0", "= 1"))
    assert of_acme(lived, "acme") == of_acme(lived, "public")
    select = "SELECT DISTINCT document::text FROM acme.life_sample"
    assert lived.here.read(select) == [(document,)]


def test_an_interval_that_python_does_not_have_is_not_taken_for_another_one(
    built: tuple[Estate, Fleet], lived: Estate, both: tuple[Rows, Rows]
) -> None:
    month = "UPDATE life_sample SET period = '1 month'"
    lived.here.run(month)
    with pytest.raises(ConfigurationError, match=r"life_sample\.period holds a value"):
        follow(built, both)
    source, target = both
    target.erase()
    lived.here.run(month.replace("1 month", "30 days"))
    with Journal.opened(built[1]) as journal:
        source.copy_to(target, journal)
    assert source.totals() == target.totals()
    lived.here.run(month)
    different = {
        table for table, total in source.totals().items() if target.totals()[table] != total
    }
    assert different == {"life_sample"}


def test_nobody_else_gets_a_number_that_the_copy_is_about_to_write(
    built: tuple[Estate, Fleet], lived: Estate, both: tuple[Rows, Rows]
) -> None:
    lived.here.run("SELECT setval('life_sample_id_seq', 5000)")
    insert = "INSERT INTO life_sample (tenant_id) SELECT 'acme' FROM generate_series(1, 3)"
    lived.here.run(insert)
    last_numbers = []

    def before_cursor_execute(*given: Any) -> None:
        if given[2].startswith("INSERT INTO life_sample"):
            read = "SELECT last_value FROM acme.life_sample_id_seq"
            last_numbers.extend(lived.here.read(read))

    event.listen(both[1].engine, "before_cursor_execute", before_cursor_execute)
    assert follow(built, both, insert)
    assert last_numbers == [(5003,), (5006,)]
