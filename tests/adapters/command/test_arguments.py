"""Arguments that several commands have."""

from __future__ import annotations

import argparse

from tenantshield_mw.adapters.command.arguments import add_target


def test_a_target_is_named_and_explained() -> None:
    command = argparse.ArgumentParser()
    add_target(command, "the Fleet")
    assert command.parse_args(["fleet:fleet"]).target == "fleet:fleet"
    assert "MODULE:ATTRIBUTE  the Fleet" in command.format_help()
