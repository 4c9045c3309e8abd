"""The links and modules in the examples' READMEs exist."""

from __future__ import annotations

import re

import pytest

from tests.commands import ROOT

READMES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("examples/*/README.md"))


@pytest.mark.parametrize("document", READMES)
def test_each_link_leads_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("document", READMES)
def test_each_module_that_is_named_exists(document: str) -> None:
    named = re.findall(r"\bexamples(?:\.\w+)+", (ROOT / document).read_text())
    assert [name for name in named if not (ROOT / f"{name.replace('.', '/')}.py").exists()] == []


def test_each_example_has_a_readme() -> None:
    apps = {path.parent / "README.md" for path in ROOT.glob("examples/*/app.py")}
    assert len(apps) > 3
    assert [path for path in apps if not path.exists()] == []
