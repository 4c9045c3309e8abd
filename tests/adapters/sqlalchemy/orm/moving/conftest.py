"""The databases with these tables: each kind, and PostgreSQL with policies."""

from __future__ import annotations

from tests.places import on_each_place

from .models import SEED, Base

made, here, engine = on_each_place(Base.metadata, *SEED)
