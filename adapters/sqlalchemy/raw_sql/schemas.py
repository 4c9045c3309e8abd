"""Check the names that a ``schema_translate_map`` puts into a compiled statement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.engine import Dialect

from tenantshield_mw.context import SystemContext, current_bound

from ..databases import default_schemas, search_path
from ..errors import UnguardedStatementError
from ..ownership.registry import registry

__all__ = ["check_schemas"]

# private: how SQLAlchemy renders a table whose schema is known only at execution.
_MOVED: Final = re.compile(
    re.escape("__[SCHEMA_") + r"""([^\]]+)\]\.(?:"((?:[^"]|"")+)"|`((?:[^`]|``)+)`|([\w$]+))"""
)
_NO_SCHEMA: Final = "_none"


def check_schemas(translated: Mapping[Any, Any], statement: str, dialect: Dialect) -> None:
    """Check what a ``schema_translate_map`` makes of a statement.

    A schema's name that is set not to be quoted is written into it unchanged, after it was
    checked. And a table may be moved onto one of its name that belongs to tenants differently.

    Args:
        translated: the names of the schemas to put in the place of others.
        statement: the compiled statement, with places for them.
        dialect: the dialect that it is for.

    Raises:
        UnguardedStatementError: a schema's name could be any SQL.
        ConfigurationError: a table is moved onto one that belongs to tenants differently.
    """
    if registry.is_empty or isinstance(current_bound(), SystemContext):
        return
    for name in translated.values():
        if getattr(name, "quote", None) is False and not name.replace("$", "_").isidentifier():
            raise UnguardedStatementError(
                "a schema_translate_map has a name that is set not to be quoted and is more than a "
                "name, so it could be any SQL: let SQLAlchemy quote it, or execute the statement "
                'inside system_scope("why")'
            )
    if registry.has_namesakes:
        defaults, path = default_schemas(dialect), search_path(dialect)
        for schema, *names in _MOVED.findall(statement):
            given = None if schema == _NO_SCHEMA else schema
            name = "".join(names).replace('""', '"').replace("``", "`")
            registry.check_moved((given, name), translated.get(given), defaults, path)
