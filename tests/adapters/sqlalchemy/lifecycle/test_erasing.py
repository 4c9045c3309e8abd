"""Erasing: foreign keys, faults in the middle, and what is in the way."""

from __future__ import annotations

import re
from collections.abc import Generator

import pytest
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware

from .lives import TARGET, Home, contents, home, killed, settle, told


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Node(Base):
    """A tree whose roots refer to themselves."""

    __tablename__ = "life_node"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(40))
    parent_id: Mapped[int] = mapped_column(ForeignKey("life_node.id"))


@shared_across_tenants
class Pointer(Base):
    __tablename__ = "life_pointer"
    id: Mapped[int] = mapped_column(primary_key=True)
    node_id: Mapped[int | None] = mapped_column(ForeignKey("life_node.id"))


NODES = f"{__name__}:Base"


@pytest.fixture(params=["sqlite", "postgresql"])
def forest(request: pytest.FixtureRequest) -> Generator[Home]:
    with home(request.param, Base.metadata) as here:
        for tenant, first in (("acme", 1), ("globex", 11)):
            for number in range(4):
                parent = first if number < 2 else first + number - 1
                here.database.run(
                    f"INSERT INTO life_node VALUES ({first + number}, '{tenant}', {parent})"
                )
        yield here


def test_a_tree_that_cannot_be_taken_apart_is_erased_from_its_leaves(forest: Home) -> None:
    told("erase", "acme", NODES, "--url", forest.url, "--confirm", "acme")
    assert [row[0] for row in contents(forest.database, Base.metadata)["life_node"]] == [
        *(11, 12, 13, 14)
    ]


def test_where_the_database_deletes_no_such_root_the_command_fails() -> None:
    # MariaDB deletes no row that refers to itself.
    with home("mariadb", Base.metadata) as here:
        here.database.run("INSERT INTO life_node VALUES (1, 'acme', 1)")
        said = told("erase", "acme", NODES, "--url", here.url, "--confirm", "acme", status=2)
        assert "a foreign key constraint fails" in said


def test_rows_of_everybody_that_refer_to_it_are_in_the_way(forest: Home) -> None:
    forest.database.run("INSERT INTO life_pointer VALUES (1, 3), (2, 13), (3, NULL)")
    before = contents(forest.database, Base.metadata)
    assert "rows of shared tables refer to these" in told(
        "erase", "acme", NODES, "--url", forest.url
    )
    said = told("erase", "acme", NODES, "--url", forest.url, "--confirm", "acme", status=2)
    assert "1 of life_pointer" in said
    assert contents(forest.database, Base.metadata) == before


@pytest.mark.parametrize("kind", ["sqlite", "policies"])
def test_it_can_be_killed_anywhere_and_started_again(kind: str) -> None:
    with home(kind) as here:
        settle(here.engine, "globex", "acme", rows=1)
        everything = contents(here.database)
        told("erase", "acme", TARGET, "--url", here.url, "--confirm", "acme")
        expected = contents(here.database)
    assert {name: len(rows) for name, rows in everything.items()} != {
        name: len(rows) for name, rows in expected.items()
    }
    with home(kind) as here:
        settle(here.engine, "globex", "acme", rows=1)
        others = {
            name: [row for row in rows if "acme" not in repr(row)]
            for name, rows in contents(here.database).items()
        }
        # Each time a bit further, from where the last one was killed.
        steps = 0
        while killed(
            18 + steps * 7, "erase", "acme", TARGET, "--url", here.url, "--confirm", "acme"
        ):
            steps += 1
            left = contents(here.database)
            for name in ("life_currency", "life_invoice", "life_line"):
                assert [row for row in left[name] if "acme" not in repr(row)] == others[name]
        assert steps > 3
        left = contents(here.database)
        assert {name: len(rows) for name, rows in left.items()} == {
            name: len(rows) for name, rows in expected.items()
        }
        assert not any("acme" in repr(row) for rows in left.values() for row in rows)


def test_rows_that_are_written_meanwhile_are_erased_too_or_reported() -> None:
    with home("sqlite") as here:
        settle(here.engine, "acme")
        # A row comes back for each that goes.
        here.database.run(
            "CREATE TRIGGER back AFTER DELETE ON life_invoice BEGIN "
            "INSERT INTO life_tag (tenant_id, text) VALUES (OLD.tenant_id, 'again'); END"
        )
        said = told("erase", "acme", TARGET, "--url", here.url, "--confirm", "acme", status=1)
        assert "LEFT" in said
        told("erase", "acme", TARGET, "--url", here.url, "--confirm", "acme")


def test_a_trigger_that_writes_a_row_for_each_that_goes_does_not_keep_it_for_ever() -> None:
    with home("sqlite") as here:
        settle(here.engine, "acme", "globex")
        others = [row for row in contents(here.database)["life_invoice"] if "globex" in row]
        here.database.run(
            "CREATE TRIGGER keep AFTER DELETE ON life_note BEGIN INSERT INTO life_note "
            "(line_id, secret) VALUES (OLD.line_id, 'again'); END"
        )
        said = told("erase", "acme", TARGET, "--url", here.url, "--confirm", "acme", status=1)
        # The lines stay, since the notes refer to them; what nothing refers to is erased.
        assert re.search(r"LEFT.*life_note +3\n", said, re.DOTALL)
        found = contents(here.database)
        assert not any("acme" in repr(row) for row in found["life_sample"])
        assert [row for row in found["life_invoice"] if "globex" in row] == others
        here.database.run("DROP TRIGGER keep")
        told("erase", "acme", TARGET, "--url", here.url, "--confirm", "acme")
