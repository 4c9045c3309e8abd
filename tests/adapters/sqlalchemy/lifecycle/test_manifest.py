"""The manifest: nothing of a damaged or foreign export is written."""

from __future__ import annotations

import json
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from .lives import TARGET, Home, contents, home, settle, share, told


@pytest.fixture
def there(tmp_path: Path) -> Generator[Home]:
    """A database into which the export in ``tmp_path / "out"`` could be imported."""
    with home("sqlite") as here:
        settle(here.engine, "acme")
        told("export", "acme", TARGET, "--url", here.url, "--out", str(tmp_path / "out"))
    with home("sqlite") as made:
        share(made.engine)
        yield made


def refused(there: Home, folder: Path) -> str:
    before = contents(there.database)
    said = told("import", str(folder), TARGET, "--url", there.url, status=2)
    assert contents(there.database) == before
    return said


def test_it_says_what_is_there(there: Home, tmp_path: Path) -> None:
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert (manifest["tenant"], manifest["tenant_type"]) == ("acme", "str")
    assert manifest["made_by"].startswith("tenantshield-mw 0")
    assert {each["table"]: each["rows"] for each in manifest["tables"]}["life_tagged"] == 6
    assert len(manifest["fingerprint"]) == 64
    for path in (tmp_path / "out").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_changed_byte_is_noticed(there: Home, tmp_path: Path) -> None:
    paths = sorted((tmp_path / "out").glob("*.ndjson"))
    for path in paths:
        content = path.read_bytes()
        path.write_bytes(content.replace(b"acme", b"evil") + b"\n")
        assert f"{path} is not as it was written" in refused(there, tmp_path / "out")
        path.write_bytes(content)
    paths[-1].unlink()
    assert "is missing" in refused(there, tmp_path / "out")


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "0"},
        {"tenant_type": "list"},
        {"tables": 3},
        {"references": {"table": "", "file": "../out/references.ndjson", "rows": 0, "sha256": ""}},
        {"more": 1},
    ],
)
def test_a_changed_manifest_is_refused(there: Home, tmp_path: Path, change: Any) -> None:
    path = tmp_path / "out" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change))
    assert "was changed, or is none" in refused(there, tmp_path / "out")


def test_other_formats_and_no_json_are_refused(there: Home, tmp_path: Path) -> None:
    path = tmp_path / "out" / "manifest.json"
    found = json.loads(path.read_bytes())
    path.write_text(json.dumps(found | {"format": 2}))
    assert "has another format" in refused(there, tmp_path / "out")
    path.write_text("{")
    assert "is not valid JSON" in refused(there, tmp_path / "out")
    path.unlink()
    assert "one that broke off" in refused(there, tmp_path / "out")


def test_other_models_are_refused_with_the_difference(there: Home, tmp_path: Path) -> None:
    target = "tests.adapters.sqlalchemy.lifecycle.test_importing:Forest"
    said = told("import", str(tmp_path / "out"), target, "--url", there.url, status=2)
    assert "the export is of other models than these: the table life_engineer is only" in said


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with home("sqlite") as here:
        settle(here.engine, "acme")
        said = told("export", "acme", TARGET, "--url", here.url, "--out", str(tmp_path), status=2)
    assert "is not empty" in said
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]
