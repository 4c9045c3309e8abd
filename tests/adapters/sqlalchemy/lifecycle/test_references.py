"""What a tenant's rows refer to and does not belong to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .lives import KINDS, TARGET, home, settle, told


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_referred_to_is_named_and_nothing_of_it_is_written(
    kind: str, tmp_path: Path
) -> None:
    with home(kind) as here:
        settle(here.engine, "acme", rows=1)
        told("export", "acme", TARGET, "--url", here.url, "--out", str(tmp_path / "out"))
    lines = (tmp_path / "out" / "references.ndjson").read_text().splitlines()
    found = [(each["table"], each["key"]) for each in map(json.loads, lines)]
    assert sorted(found, key=str) == [
        ("life_currency", {"code": "EUR"}),
        ("life_tag", {"id": 1}),
    ]
    assert all("everybody" not in path.read_text() for path in (tmp_path / "out").iterdir())
