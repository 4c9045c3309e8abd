"""docs/placements.md, executed from the first to the last line on a real database."""

from __future__ import annotations

import sqlite3
from ast import literal_eval
from contextlib import closing
from pathlib import Path

import pytest

from tests.databases import database
from tests.guides import Reader, blocks_of


def test_the_guide_works_as_written(tmp_path: Path) -> None:
    with database("postgresql") as here:
        here.run("CREATE DATABASE regulated")
        try:
            url = here.url.render_as_string(hide_password=False)
            reader = Reader(tmp_path, {"SHOP_URL": url})
            blocks = blocks_of("placements.md")
            names = [reader.write(block) for language, block in blocks if language == "python"]
            assert names == [
                "shop.py",
                "create.py",
                "use.py",
                "sqlite_shop.py",
                "sqlite_create.py",
                "report.py",
            ]
            (shown,) = (block for language, block in blocks if language == "console")
            _, printed = shown.split("$ python create.py\n$ python use.py\n")
            reader.python("create.py")
            assert reader.python("use.py") == printed
            assert here.read("SELECT tenant_id FROM public.invoice") == [("small",)]
            assert here.read("SELECT tenant_id FROM large.invoice") == [("large",)]
            totals, *progress, found = reader.python("report.py").splitlines()
            assert totals == "{'the shared tables': 100, \"the schema 'large'\": 100}"
            assert progress == ["1 of 3", "2 of 3", "3 of 3"]
            assert literal_eval(found) == {"small": 100, "large": 100, "regulated": 100}
            assert not (tmp_path / "totals.journal").exists()
        finally:
            here.run("DROP DATABASE regulated WITH (FORCE)")


THE_OWN_ROW = '    connection.execute(insert(Tenant).values(id="regulated", active=True))'


def test_its_files_for_sqlite_work_as_written(tmp_path: Path) -> None:
    reader = Reader(tmp_path, {})
    for language, block in blocks_of("placements.md"):
        if language == "python" and block.startswith("# sqlite_"):
            reader.write(block)
    reader.python("sqlite_create.py")
    for name, tenant in {"shop.db": "small", "regulated.db": "regulated"}.items():
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            rows = connection.execute("SELECT tenant_id, total FROM invoice").fetchall()
        assert rows == [(tenant, 100)]


def test_without_the_own_row_a_foreign_key_to_the_table_of_tenants_fails(tmp_path: Path) -> None:
    reader = Reader(tmp_path, {})
    for language, block in blocks_of("placements.md"):
        if language == "python" and block.startswith("# sqlite_"):
            reader.write(block)
    create = tmp_path / "sqlite_create.py"
    assert create.read_text().count(THE_OWN_ROW) == 1
    create.write_text(create.read_text().replace(THE_OWN_ROW, "    # no row"))
    with pytest.raises(AssertionError, match="IntegrityError"):
        reader.python("sqlite_create.py")
