"""The comment on a policy that records from which specification it was created."""

from __future__ import annotations

import pytest

from tenantshield_mw.adapters.sqlalchemy.rls import TablePolicySpec, specs_of
from tenantshield_mw.adapters.sqlalchemy.rls.comment import read_record, record

from ..shared_rows.models import Base
from .specs import SPECS

SPEC = SPECS[0]


@pytest.mark.parametrize("spec", [*SPECS, *specs_of(Base.metadata)], ids=lambda each: each.name)
def test_a_specification_is_read_back(spec: TablePolicySpec) -> None:
    assert read_record(record(spec)) == spec
    assert "\n" not in record(spec)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "the tenants' policy",
        "tenantshield: ",
        "tenantshield: []",
        "tenantshield: {}",
        'tenantshield: {"name": "x", "column": ["a"]}',
        record(SPEC).removeprefix("tenantshield: "),
        record(SPEC)[:-1],
    ],
)
def test_another_comment_is_not_read(text: str | None) -> None:
    assert read_record(text) is None
