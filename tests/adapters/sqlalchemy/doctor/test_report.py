"""The report, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .commanding import doctor


def test_findings_are_grouped_by_table_with_their_fixes(folder: Path) -> None:
    status, out, err = doctor(folder, "faulty:Base.metadata")
    assert (status, err) == (1, "")
    assert out == (
        "customer\n"
        "  warning  unique-without-tenant\n"
        "    email must be unique across all tenants: a value that one tenant uses is unavailable "
        "to\n"
        "    the others, and the error tells them that it exists.\n"
        '    Fix: UniqueConstraint("tenant_id", "email") in its place, in __table_args__; or, '
        "if it is looked up before the tenant is known, such as the address of a log-in, leave "
        "it and pass "
        "--ignore unique-without-tenant:customer\n"
        "  info     reference-without-tenant\n"
        "    invoice_id refers to invoice without the tenant. The guard looks up the row before "
        "each\n"
        "    write; the database itself would accept another tenant's row.\n"
        '    Fix: tenant_foreign_key("invoice_id", "invoice.id") in __table_args__, in place of '
        "the ForeignKey on the column\n"
        "\n"
        "note\n"
        "  error    undeclared\n"
        "    It is neither tenant-aware, nor tied to a table that is, nor shared. The guard "
        "ignores\n"
        "    it: every tenant sees all of its rows.\n"
        "    Fix: @tenant_aware on the class, or @shared_across_tenants if all tenants are "
        "meant to share its rows; for a Table, call the same functions\n"
        "\n"
        "1 error, 1 warning, 1 info, 4 tables examined.\n"
        "No database was examined: give --database URL.\n"
    )


def test_json(folder: Path) -> None:
    status, out, err = doctor(folder, "faulty:Base", "--json")
    report: dict[str, Any] = json.loads(out)
    assert (status, err) == (1, "")
    assert list(report) == ["database", "tables", "ignored", "counts", "findings"]
    assert report["counts"] == {"error": 1, "warning": 1, "info": 1}
    assert (report["database"], report["tables"], report["ignored"]) == (None, 4, 0)
    for each in report["findings"]:
        assert list(each) == ["severity", "kind", "table", "column", "object", "reason", "fix"]
    assert [(f["severity"], f["kind"], f["table"], f["column"]) for f in report["findings"]] == [
        ("warning", "unique-without-tenant", "customer", "email"),
        ("info", "reference-without-tenant", "customer", "invoice_id"),
        ("error", "undeclared", "note", None),
    ]
