"""What the statements return in a process that has never imported the adapter.

::

    python -m tests.oracle.unguarded PATH_OF_AN_SQLITE_DATABASE
"""

from __future__ import annotations

import json
import sys

from sqlalchemy import URL, Engine
from sqlalchemy.orm import Session

from tests.databases import Database

from .filling import prepared
from .statements import CATALOGUE
from .values import plain

__all__ = ["seen"]


def seen(engine: Engine) -> dict[str, str]:
    """Return what each statement of the list returns on ``engine``, by its name."""
    found = {}
    for each in CATALOGUE.values():
        if "sqlite" in each.only:
            with Session(engine) as session:
                found[each.name] = repr(plain(each.run(session)))
                session.rollback()
    return found


if __name__ == "__main__":
    url = URL.create("sqlite", database=sys.argv[1])
    here = prepared("sqlite", Database("sqlite", url, url, {}).engine())
    print(json.dumps(seen(here)))
    here.dispose()
    assert "tenantshield_mw.adapters.sqlalchemy" not in sys.modules
