"""Marks for tests of what not every version has."""

from __future__ import annotations

import pytest
import sqlalchemy

__all__ = ["needs_21"]

needs_21 = pytest.mark.skipif(
    not hasattr(sqlalchemy, "tstring"), reason="SQLAlchemy has had this since 2.1"
)
