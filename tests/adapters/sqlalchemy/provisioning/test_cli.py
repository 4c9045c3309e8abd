"""The commands print text or JSON, and errors of a database without its password."""

from __future__ import annotations

import json
from pathlib import Path

from .estates import TARGET, estate_on


def test_json_has_what_the_text_says(tmp_path: Path) -> None:
    with estate_on("sqlite", tmp_path, empty=True) as estate:
        estate.use_alembic()
        estate.enlist("acme")
        said, _ = estate.command("migrate", TARGET, "--json")
        assert json.loads(said) == [
            {"place": "the shared tables", "version": "first", "error": None}
        ]
        said, _ = estate.command("place", "acme", TARGET, "--database", "acme", "--json")
        assert json.loads(said) == {"tenant": "acme", "place": "the database 'acme'"}


def test_a_database_that_cannot_be_used_ends_the_command(tmp_path: Path) -> None:
    with estate_on("sqlite", tmp_path) as estate:
        estate.here.run("DROP TABLE estate_tenant")
        _, errors = estate.command("place", "acme", TARGET, "--database", "acme", status=2)
        assert "could not use sqlite:" in errors
        assert "no such table" in errors
        assert (
            "on PostgreSQL only"
            in estate.command("move", "acme", TARGET, "--database", "acme", status=2)[1]
        )
