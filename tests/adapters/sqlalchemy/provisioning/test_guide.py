"""docs/moving-tenants.md, executed from the first to the last line on a real database."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.databases import database
from tests.guides import Reader, blocks_of

STOPPED = re.compile(r"stopped for \d+\.\d\d s")


def is_for_sqlite(block: str) -> bool:
    return "sqlite_" in block


def test_the_guide_works_as_written(tmp_path: Path) -> None:
    with database("postgresql") as here:
        url = here.url.render_as_string(hide_password=False)
        reader = Reader(tmp_path, {"SHOP_URL": url, "OWNER_URL": url})
        blocks = [each for each in blocks_of("moving-tenants.md") if not is_for_sqlite(each[1])]
        files = [reader.write(block) for language, block in blocks if language == "python"]
        assert files == ["shop.py", "fleet.py", "fill.py"]
        shown = "".join(block for language, block in blocks if language == "console")
        commands = [line for line in shown.splitlines() if line]
        try:
            for number, line in enumerate(commands):
                if line == "$ python fill.py":
                    reader.python("fill.py")
                if not line.startswith("$ tenantshield-mw ") or " migrate " in line:
                    continue
                arguments = line.split()[2:]
                said = reader.python("-m", "tenantshield_mw.adapters.command", *arguments)
                expected = [*commands, "$"][number + 1]
                if not expected.startswith("$"):
                    assert STOPPED.sub("", said.strip()) == STOPPED.sub("", expected)
            assert here.read("SELECT total FROM public.invoice ORDER BY total") == [(1,), (2,)]
            assert here.read("SELECT id, schema, database FROM common.tenant ORDER BY id") == [
                ("large", "large", None),
                ("regulated", None, "regulated"),
                ("small", None, None),
            ]
        finally:
            here.run("DROP DATABASE IF EXISTS regulated WITH (FORCE)")


def test_a_tenant_gets_to_another_database_without_move(tmp_path: Path) -> None:
    reader = Reader(tmp_path, {})
    pages = (*blocks_of("placements.md"), *blocks_of("moving-tenants.md"))
    blocks = [each for each in pages if is_for_sqlite(each[1])]
    files = [reader.write(block) for language, block in blocks if language == "python"]
    assert files == ["sqlite_shop.py", "sqlite_create.py", "sqlite_fleet.py", "own_row.py"]
    (commands,) = (block for language, block in blocks if language == "console")
    for line in commands.splitlines():
        _, program, *arguments = line.split()
        if program == "tenantshield-mw":
            arguments = ["-m", "tenantshield_mw.adapters.command", *arguments]
        reader.python(*arguments)
    for name, expected in {"shop.db": [], "small.db": [("small", 100)]}.items():
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            rows = connection.execute("SELECT tenant_id, total FROM invoice").fetchall()
        assert rows == expected
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        found = connection.execute("SELECT active, database FROM tenant WHERE id = 'small'")
        assert found.fetchall() == [(1, "small")]
