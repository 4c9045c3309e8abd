"""The reference has every public name, every error, every finding and every command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Final

import pytest

import tenantshield_mw.adapters
from tenantshield_mw.adapters.command.parser import parser
from tenantshield_mw.adapters.sqlalchemy.doctor import KINDS
from tools.site.pictures import DESCRIPTIONS, IMAGES, draw
from tools.site.reference import PUBLIC, definition_of, exports_of

from .site import pages

ERRORS: Final = sorted(
    each
    for each in tenantshield_mw.__all__
    if isinstance(getattr(tenantshield_mw, each), type)
    and issubclass(getattr(tenantshield_mw, each), tenantshield_mw.TenantShieldError)
)


def modules() -> Iterator[str]:
    """Yield every module of the package.

    In a checkout, the adapters are in another folder, which is walked by itself.
    """
    yield "tenantshield_mw"
    found = {
        each.name
        for package in (tenantshield_mw, tenantshield_mw.adapters)
        for each in walk_packages(package.__path__, f"{package.__name__}.")
    }
    # A program runs when it is imported.
    yield from sorted(each for each in found if not each.endswith(".__main__"))


def text_of(page: str) -> str:
    return pages()[f"reference/{page}.html"].text


def documented() -> set[str]:
    """Return the names that the reference describes, each with its module."""
    found = {
        anchor
        for name, page in pages().items()
        if name.startswith("reference/")
        for anchor in page.ids
        if anchor.startswith("tenantshield_mw")
    }
    return found | {_of_module(definition) for definition in found}


def _of_module(name: str) -> str:
    module, _, own = name.rpartition(".")
    try:
        definition = definition_of(module, own)
    except (ImportError, LookupError, AssertionError):
        return name
    return f"{definition.module}.{definition.name}"


def test_each_public_name_of_each_module_is_in_it() -> None:
    described = documented()
    inside = "".join(page.text for name, page in pages().items() if "/inside/" in name)
    listed = set(re.findall(r'<span class="sig-name descname"><span class="pre">(\w+)<', inside))
    missing = []
    for module in modules():
        for name in exports_of(module):
            definition = definition_of(module, name)
            if definition.kind == "module":
                continue
            known = f"{definition.module}.{definition.name}"
            # A name inside that is public elsewhere has no anchor of its own.
            if not {f"{module}.{name}", known} & described and name not in listed:
                missing.append(f"{module}.{name}")
    assert missing == []


@pytest.mark.parametrize("module", PUBLIC)
def test_what_applications_import_is_described_in_full(module: str) -> None:
    described = documented()
    for name in exports_of(module):
        definition = definition_of(module, name)
        if definition.kind == "module":
            assert f"module-{definition.module}" in {
                anchor for page in pages().values() for anchor in page.ids
            }
            continue
        known = {f"{module}.{name}", f"{definition.module}.{definition.name}"}
        assert known & described, f"{module}.{name}"


def test_each_module_that_exports_names_is_public_or_in_a_room() -> None:
    rooms = " ".join(page.text for name, page in pages().items() if "/inside/" in name)
    for module in modules():
        if exports_of(module) and module not in PUBLIC:
            assert module.removeprefix("tenantshield_mw.") in rooms


def test_each_name_that_is_exported_exists() -> None:
    for module in PUBLIC:
        assert [
            each for each in exports_of(module) if not hasattr(import_module(module), each)
        ] == []


@pytest.mark.parametrize("error", ERRORS)
def test_each_error_has_a_section_with_its_cause_and_its_cure(error: str) -> None:
    _, found, rest = text_of("errors").partition(f'<section id="{error.lower()}">')
    assert found
    section = rest.partition("</section>")[0]
    assert "<dt>Cause" in section
    assert "<dt>Cure" in section


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_finding_can_be_linked_to(kind: str) -> None:
    assert kind in pages()["doctor.html"].ids


def test_each_command_shows_its_options() -> None:
    text = text_of("command-line")
    (commands,) = (each for each in parser(lambda *_: 0)._actions if each.choices)
    assert commands.choices is not None
    for name in commands.choices:
        assert f"usage: tenantshield-mw {name}" in text


@pytest.mark.parametrize(
    "name",
    [
        "exempt",
        "on_missing_tenant",
        "tenant_dependency",
        "tenant_option",
        "try_current_tenant",
        "TENANT_KEY",
        "bind_session_to_tenant",
        "SQLModel",
    ],
)
def test_each_name_that_people_look_for_is_on_a_page_besides_the_reference(name: str) -> None:
    assert any(
        name in page.text
        for found, page in pages().items()
        if found.startswith(("start/", "how-to/", "concepts/"))
    )


@pytest.mark.parametrize("name", sorted(each.stem for each in DESCRIPTIONS.glob("*.txt")))
def test_each_picture_is_drawn_from_its_description(name: str) -> None:
    drawn = draw((DESCRIPTIONS / f"{name}.txt").read_text())
    assert (IMAGES / f"{name}.svg").read_text() == drawn, "run python -m tools.site.pictures"
