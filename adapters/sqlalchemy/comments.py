"""The tenant in a comment of each statement, for slow query logs and ``pg_stat_activity``.

In the format of https://google.github.io/sqlcommenter/spec/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection

from tenantshield_mw.context import try_current_tenant

if TYPE_CHECKING:
    # SQLAlchemy 2.1 requires greenlet for this import, and sync programs may not have it.
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["comment_statements"]

_INTERPOLATING = frozenset({"format", "pyformat"})


def comment_statements(engine: Engine | AsyncEngine) -> None:
    """Append ``/*tenant_id='acme'*/`` to each statement that ``engine`` sends in a tenant's scope.

    The identifier is percent-encoded, so it cannot end the comment. A statement then has another
    text for each tenant: where a driver or a pooler prepares statements by their text, it prepares
    one for each. Statements that the driver executes for many rows (``executemany``) get no
    comment, since PyMySQL batches only what it recognizes.

    Args:
        engine: an engine, sync or async.
    """
    target = engine if isinstance(engine, Engine) else engine.sync_engine
    event.listen(target, "before_cursor_execute", _append, retval=True)


def _append(
    connection: Connection,
    cursor: Any,
    statement: str,
    parameters: Any,
    context: Any,
    executemany: bool,
) -> tuple[str, Any]:
    tenant = try_current_tenant()
    if tenant is None or executemany:
        return statement, parameters
    value = quote(str(tenant.tenant_id), safe="")
    if connection.dialect.paramstyle in _INTERPOLATING and not _is_sent_as_is(parameters, context):
        value = value.replace("%", "%%")
    return f"{statement} /*tenant_id='{value}'*/", parameters


def _is_sent_as_is(parameters: Any, context: Any) -> bool:
    # The execution option tells the driver not to look for percent signs.
    return not parameters and context is not None and context.no_parameters
