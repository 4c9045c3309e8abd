"""What the pytest plugin's fixtures for databases are made of; each can be used without them."""

from __future__ import annotations

from .connections import ConnectionWatch, check_role
from .tables import tables
from .transactions import async_outer_transaction, outer_transaction

__all__ = [
    "ConnectionWatch",
    "async_outer_transaction",
    "check_role",
    "outer_transaction",
    "tables",
]
