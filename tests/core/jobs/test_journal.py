"""What was done is known after the process has ended, in whatever way."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from tenantshield_mw import ConfigurationError, TenantId
from tenantshield_mw.jobs.journal import Journal

TENANTS: list[TenantId] = ["acme", 7, UUID(int=7), "a\nb".replace("\n", " "), "ä"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_it_knows_each_tenant_by_its_type(path: Path) -> None:
    journal = Journal(path)
    for tenant_id in TENANTS:
        journal.add(tenant_id)
    again = Journal(path)
    assert all(map(again.has, TENANTS))
    others: list[TenantId] = ["globex", "7", 8, str(UUID(int=7))]
    assert not any(map(again.has, others))
    again.remove()
    assert not path.exists()
    again.remove()


def test_a_line_that_was_cut_off_does_not_count(path: Path) -> None:
    Journal(path).add("acme")
    whole = path.read_bytes()
    Journal(path).add("globex")
    for size in range(len(whole) + 1, len(path.read_bytes())):
        cut = path.with_name(f"cut{size}")
        cut.write_bytes(path.read_bytes()[:size])
        journal = Journal(cut)
        assert journal.has("acme")
        assert not journal.has("globex")
        journal.add("initech")
        assert Journal(cut).has("initech")


@pytest.mark.parametrize("content", [b"acme\n", b"{}\n", b'{"str": 7}\n', b"\xff\n", b"\n"])
def test_another_file_is_not_taken_for_one(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="has not written"):
        Journal(path)
    assert path.read_bytes() == content
