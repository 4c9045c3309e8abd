"""Importing: all or nothing, under another tenant, with new keys, into a changed database."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, ForeignKey, Identity, MetaData, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware

from .lives import KINDS, TARGET, Home, contents, home, killed, settle, share, told
from .models import Person


@pytest.fixture(params=KINDS)
def here(request: pytest.FixtureRequest) -> Generator[Home]:
    with home(request.param) as made:
        settle(made.engine, "acme", "globex")
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "acme")


def test_a_copy_gets_new_keys_and_refers_to_itself(here: Home, folder: str) -> None:
    before = contents(here.database)
    told("export", "acme", TARGET, "--url", here.url, "--out", folder)
    told("import", folder, TARGET, "--url", here.url, "--tenant", "copy", "--new-keys")
    after = contents(here.database)
    for name, rows in before.items():
        assert [row for row in rows if row not in after[name]] == []
    # As the copy is exported, it is the original but for the keys.
    people = here.database.read(
        "SELECT p.name, m.name, m.tenant_id, t.tenant_id, l.name FROM life_person p "
        "LEFT JOIN life_person m ON m.id = p.manager_id LEFT JOIN life_team t ON t.id = p.team_id "
        "LEFT JOIN life_person l ON l.id = t.lead_id WHERE p.tenant_id = 'copy' ORDER BY p.name"
    )
    boss = "boss of acme"
    assert people == [
        *((f"acme {each}", boss, "copy", None, None) for each in range(3)),
        (boss, None, None, "copy", boss),
    ]
    assert here.database.read(
        "SELECT e.language, count(*) FROM life_engineer e JOIN life_person p ON p.id = e.id "
        "WHERE p.tenant_id = 'copy' GROUP BY e.language"
    ) == [("Python", 3)]
    assert here.database.read(
        "SELECT t.text, count(*) FROM life_tagged x JOIN life_person p ON p.id = x.person_id "
        "JOIN life_tag t ON t.id = x.tag_id WHERE p.tenant_id = 'copy' GROUP BY t.text "
        "ORDER BY t.text"
    ) == [("everybody's", 3), ("tag of acme", 3)]
    assert here.database.read(
        "SELECT l.tenant_id, count(*) FROM life_note n JOIN life_line l ON l.id = n.line_id "
        "WHERE l.tenant_id = 'copy' GROUP BY l.tenant_id"
    ) == [("copy", 3)]
    # An onupdate has not touched it.
    assert here.database.read(
        "SELECT changed FROM life_person WHERE tenant_id = 'copy' AND kind = 'person'"
    ) == [("as it was",)]
    with tenant_scope("copy"), Session(here.engine) as session:
        session.add(Person(kind="person", name="the next one"))
        session.commit()


def test_a_tenant_with_rows_is_refused(here: Home, folder: str) -> None:
    told("export", "acme", TARGET, "--url", here.url, "--out", folder)
    before = contents(here.database)
    said = told("import", folder, TARGET, "--url", here.url, status=2)
    assert "the tenant has rows in life_" in said
    # The keys are taken.
    said = told("import", folder, TARGET, "--url", here.url, "--tenant", "copy", status=2)
    assert "could not use" in said
    assert contents(here.database) == before


@pytest.mark.parametrize("kind", ["postgresql", "policies"])
def test_the_database_counts_on_behind_what_was_imported(kind: str, folder: str) -> None:
    with home(kind) as here:
        settle(here.engine, "acme", rows=5)
        told("export", "acme", TARGET, "--url", here.url, "--out", folder)
        with home(kind) as there:
            share(there.engine)
            told("import", folder, TARGET, "--url", there.url)
            with tenant_scope("acme"), Session(there.engine) as session:
                session.add(Person(kind="person", name="the next one"))
                session.commit()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_import_that_is_killed_has_written_nothing(kind: str, folder: str) -> None:
    with home(kind) as here, home(kind) as there:
        settle(here.engine, "acme", rows=1)
        told("export", "acme", TARGET, "--url", here.url, "--out", folder)
        share(there.engine)
        empty = contents(there.database)
        after = 15
        while killed(after, "import", folder, TARGET, "--url", there.url):
            assert contents(there.database) == empty
            after += 13
        assert after > 40
        assert contents(there.database) == contents(here.database)


def test_shared_rows_must_be_there_and_mean_the_same(folder: str) -> None:
    with home("sqlite") as here, home("sqlite") as there:
        settle(here.engine, "acme")
        told("export", "acme", TARGET, "--url", here.url, "--out", folder)
        arguments = ("import", folder, TARGET, "--url", there.url)
        said = told(*arguments, status=2)
        assert "the row {'code': 'EUR'} of life_currency, which is shared and is not" in said
        share(there.engine)
        there.database.run("UPDATE life_tag SET text = 'something else'")
        said = told(*arguments, status=2)
        assert "the row {'id': 1} of life_tag, which is shared and differs" in said
        assert contents(there.database)["life_person"] == []
        told(*arguments, "--accept-references")
        assert contents(there.database)["life_person"] == contents(here.database)["life_person"]


def test_what_the_database_would_change_is_refused(folder: str) -> None:
    with home("sqlite") as here, home("sqlite") as there:
        settle(here.engine, "acme")
        told("export", "acme", TARGET, "--url", here.url, "--out", folder)
        share(there.engine)
        there.database.run(
            "CREATE TRIGGER louder AFTER INSERT ON life_line BEGIN "
            "UPDATE life_line SET text = upper(text) WHERE id = NEW.id; END"
        )
        said = told("import", folder, TARGET, "--url", there.url, status=2)
        assert "the database would hold other values in life_line" in said
        assert contents(there.database)["life_person"] == []


class Always(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Counted(Always):
    __tablename__ = "life_counted"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(40))


def test_numbers_that_are_always_generated_need_new_keys(folder: str) -> None:
    target = f"{__name__}:Always"
    with home("postgresql", Always.metadata) as here:
        with tenant_scope("acme"), Session(here.engine) as session:
            session.add_all(Counted() for _ in range(3))
            session.commit()
        told("export", "acme", target, "--url", here.url, "--out", folder)
        arguments = ("import", folder, target, "--url", here.url, "--tenant", "copy")
        assert "GENERATED ALWAYS" in told(*arguments, status=2)
        told(*arguments, "--new-keys")
        assert [row[1] for row in contents(here.database, Always.metadata)["life_counted"]] == [
            *("acme",) * 3,
            *("copy",) * 3,
        ]


class Forest(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Leaf(Forest):
    __tablename__ = "life_leaf"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(40))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("life_leaf.id"))


@contextmanager
def home_at(url: str) -> Generator[Engine]:
    engine = create_engine(url)
    with system_scope("create the table"):
        Forest.metadata.create_all(engine)
    yield engine
    engine.dispose()


@given(parents=st.lists(st.none() | st.integers(0, 30), max_size=30))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_graph_is_the_same_with_new_keys(
    parents: list[int | None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("graph")
    file = folder / "graph.db"
    url = f"sqlite:///{file}"
    count = len(parents)
    links = [None if each is None or each >= count else each for each in parents]
    with home_at(url) as engine, system_scope("write them"), Session(engine) as session:
        # Ids with gaps, so that new ones differ.
        leaves = [Leaf(id=7 * n + 100, tenant_id="acme") for n in range(count)]
        session.add_all(leaves)
        session.flush()
        for leaf, link in zip(leaves, links, strict=True):
            leaf.parent_id = None if link is None else leaves[link].id
        session.commit()
    target = f"{__name__}:Forest"
    told("export", "acme", target, "--url", url, "--out", str(folder / "out"))
    told(
        *("import", str(folder / "out"), target, "--url", url),
        *("--tenant", "copy", "--new-keys"),
    )
    with home_at(url) as engine, tenant_scope("copy"), Session(engine) as session:
        copies = session.query(Leaf).order_by(Leaf.id).all()
        places = {leaf.id: place for place, leaf in enumerate(copies)}
        assert [None if leaf.parent_id is None else places[leaf.parent_id] for leaf in copies] == (
            links
        )
