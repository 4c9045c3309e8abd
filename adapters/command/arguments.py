"""Arguments that several commands have."""

from __future__ import annotations

import argparse

__all__ = ["add_target"]


def add_target(command: argparse.ArgumentParser, what: str) -> None:
    """Add the argument that names an object of the application.

    Args:
        command: the command.
        what: what the object is, for the help.
    """
    command.add_argument("target", metavar="MODULE:ATTRIBUTE", help=what)
