"""This project, with its policies in PostgreSQL as well."""

from __future__ import annotations

from . import Protection, ours

__all__ = ["protection"]


def protection() -> Protection:
    return ours.protection(has_policies=True)
