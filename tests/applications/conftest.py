"""The applications are copied to another folder and run there, each in a process of its own."""

from __future__ import annotations

from pathlib import Path

collect_ignore = [str(each.parent) for each in Path(__file__).parent.glob("*/pytest.ini")]
