"""Exports: the same rows make the same files, and nothing of another tenant is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from .lives import KINDS, TARGET, home, settle, told


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_make_the_same_files(kind: str, tmp_path: Path) -> None:
    with home(kind) as here:
        settle(here.engine, "acme", "globex")
        for name in ("one", "two"):
            told("export", "globex", TARGET, "--url", here.url, "--out", str(tmp_path / name))
    one, two = (
        {path.name: path.read_bytes() for path in sorted((tmp_path / name).glob("*.ndjson"))}
        for name in ("one", "two")
    )
    assert one == two
    assert len(one) == 10
    assert not any(b"acme" in content for content in one.values())


def test_a_value_that_is_none_of_its_type_stops_it(tmp_path: Path) -> None:
    with home("sqlite") as here:
        settle(here.engine, "acme")
        here.database.run("UPDATE life_sample SET text = x'00ff' WHERE text IS NOT NULL")
        said = told(
            "export", "acme", TARGET, "--url", here.url, "--out", str(tmp_path / "out"), status=2
        )
    assert "life_sample.text holds a value that is no text: a bytes" in said
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize("kind", ["sqlite", "policies"])
def test_a_value_that_a_file_would_not_hold_stops_it(kind: str, tmp_path: Path) -> None:
    with home(kind) as here:
        settle(here.engine, "acme")
        twice = """UPDATE life_sample SET document = '{"a": 1, "a": 2}' WHERE text IS NOT NULL"""
        here.database.run(twice)
        said = told(
            "export", "acme", TARGET, "--url", here.url, "--out", str(tmp_path / "out"), status=2
        )
    assert "life_sample.document holds a value that would be changed" in said
    assert not (tmp_path / "out" / "manifest.json").exists()
