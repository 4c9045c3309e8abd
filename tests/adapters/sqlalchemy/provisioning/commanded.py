"""The fleet that the commands name, of the database in the environment."""

from __future__ import annotations

import os

from .estates import fleet_of

fleet = fleet_of(os.environ["DATABASE"], os.environ.get("ALEMBIC"))
