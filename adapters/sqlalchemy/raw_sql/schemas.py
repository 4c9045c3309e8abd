"""Check the names that a ``schema_translate_map`` puts into a compiled statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenantshield_mw.context import SystemContext, current_bound

from ..errors import UnguardedStatementError
from ..ownership.registry import registry

__all__ = ["check_schemas"]


def check_schemas(translated: Mapping[Any, Any]) -> None:
    """Refuse a schema's name that is set not to be quoted and is more than a name.

    It is written into the statement unchanged, after the statement was checked.

    Args:
        translated: the names of the schemas to put in the place of others.

    Raises:
        UnguardedStatementError: such a name is among them.
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
