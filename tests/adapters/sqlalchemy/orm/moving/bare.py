"""The same tables under other names, which nothing confines."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

from . import models

_source = Path(models.__file__).read_text().replace("move_", "bare_")
for _declaration in ("@tenant_aware\n", "@shared_across_tenants\n"):
    _source = _source.replace(_declaration, "")

bare = ModuleType(f"{__package__}.bare_models")
bare.__package__ = __package__
# SQLAlchemy looks there for the names in annotations.
sys.modules[bare.__name__] = bare
exec(compile(_source, bare.__name__, "exec"), bare.__dict__)
