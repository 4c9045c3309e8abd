"""Report mode tells what the diff of the first application is about, before it is written."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from tenantshield_mw.adapters.sqlalchemy.observe import Report
from tenantshield_mw.adapters.sqlalchemy.observe.reports import read_reports
from tests.databases import require

from .applications import PROJECTS
from .diffs import apply

DIFF: Final = (PROJECTS.folder / "protect.diff").read_text()

BEGINNING: Final = ("app/main.py", "app/models.py", "app/security.py")
"""The files whose part of the diff says whose the rows are and where requests tell the tenant."""


def parts() -> dict[str, str]:
    """The diff's part for each file."""
    found = re.split(r"^(?=diff --git )", DIFF, flags=re.MULTILINE)[1:]
    return {re.findall(r"^\+\+\+ b/(.+)$", each, re.MULTILINE)[0]: each for each in found}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[Report]:
    require(PROJECTS.database)
    folder = tmp_path_factory.mktemp("before") / PROJECTS.name
    shutil.copytree(PROJECTS.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in BEGINNING:
        apply(parts()[name], folder)
    main = folder / "app" / "main.py"
    main.write_text(
        "from tenantshield_mw.adapters.sqlalchemy import observe\n"
        f"observe(file='reports.json')\n{main.read_text()}"
    )
    # All of its tests pass: nothing is refused or confined yet.
    PROJECTS.run_tests(folder)
    return read_reports(folder / "reports.json")


def functions(folder: Path) -> dict[str, str]:
    """The source of each function of the application and its tests, by file and name."""
    found = {}
    for file in [*folder.glob("app/*.py"), *folder.glob("tests/*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[f"{file.relative_to(folder)}: {node.name}"] = ast.unparse(node)
    return found


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The functions that the rest of the diff changes."""
    after = tmp_path_factory.mktemp("after") / PROJECTS.name
    shutil.copytree(PROJECTS.folder, after, ignore=shutil.ignore_patterns("__pycache__"))
    apply(DIFF, after)
    now = functions(after)
    return {
        name
        for name, source in functions(PROJECTS.folder).items()
        if now.get(name) != source and not name.startswith(BEGINNING)
    }


def needs_a_change(report: Report) -> bool:
    return report.operation in ("raw SQL", "DDL") or report.detail == "no tenant is in scope"


def named(report: Report) -> str:
    # SQLAdmin's pages are its own code; the application adds them in one place.
    if "sqladmin" in report.file:
        return "app/admin.py: add_admin"
    return f"{report.file}: {report.function}"


def test_what_has_no_tenant_or_is_raw_is_what_the_diff_changes(
    reports: list[Report], changed: set[str]
) -> None:
    assert {named(each) for each in reports if needs_a_change(each)} == changed


LEAKY: Final = {
    "app/accounts.py: change_role",
    "app/projects.py: delete_project",
    "app/projects.py: get_project",
    "app/projects.py: list_tasks_of_project",
    "app/reports.py: activities",
    "app/reports.py: export",
    "app/reports.py: statistics",
    "app/tasks.py: add_task",
    "app/tasks.py: change_task",
    "app/tasks.py: delete_comment",
    "app/tasks.py: list_comments",
    "app/tasks.py: list_tasks",
}
"""The functions behind the operations through which the sweep reaches another tenant's rows, but
for the one that is among what the diff changes, and one whose own tests never do."""

BY_KEY: Final = {
    # Compared in Python afterwards.
    "app/projects.py: change_project",
    # By the id in the token.
    "app/security.py: get_user",
}


def test_what_the_guard_will_confine_by_itself_is_where_the_leaks_are(
    reports: list[Report],
) -> None:
    assert {named(each) for each in reports if not needs_a_change(each)} == LEAKY | BY_KEY
    # Read from the list of the sweep's operations: all but `busiest` and `add_comment`.
    assert len(LEAKY) == len(PROJECTS.leaks) - 2
