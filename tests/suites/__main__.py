"""Run the own suites of the frameworks and of SQLAlchemy, and compare the outcomes."""

from __future__ import annotations

import sys

from . import frameworks, orm

if __name__ == "__main__":
    alike = [frameworks.compare(), orm.compare()]
    sys.exit(not all(alike))
