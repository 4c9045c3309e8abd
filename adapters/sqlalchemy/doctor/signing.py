"""Checks whether tenants are signed, and what would make their signatures worthless."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..rls.specification import TablePolicySpec
from ..rls.sql import quoted, table_name
from ..rls.verifier import KEYS, SCHEMA, verifier_functions_of
from .findings import Finding
from .privileges import Server

__all__ = ["check_signing", "verifier_signatures"]


def verifier_signatures(specs: Sequence[TablePolicySpec]) -> frozenset[str]:
    """Return the functions that check signatures, as PostgreSQL writes them.

    They run with the rights of their owner on purpose; ``check_policies`` compares them.
    """
    functions = (each for spec in specs for each in verifier_functions_of(spec))
    return frozenset(f"{table_name(each.schema, each.name)}()" for each in functions)


def check_signing(specs: Sequence[TablePolicySpec], server: Server) -> Iterator[Finding]:
    """Yield what lets somebody with the role's rights name another tenant.

    Args:
        specs: the policies that the models require.
        server: the contents of the catalog.
    """
    if server.role.is_exempt or not specs:
        # Nothing has to be forged, or there is nothing to forge for.
        return
    role = quoted(server.role.name)
    if not any(each.signed for each in specs):
        yield Finding(
            "tenants-unsigned",
            None,
            "The policies believe the tenant that a transaction names. They stop mistakes; "
            f"whoever can run arbitrary SQL as {server.role.name} can name another tenant.",
            "rls.configure(Base.metadata, signed=True), rls.store_keys(connection, [key]) and "
            "rls.enforce(engine, key=key)",
        )
        return
    keys = server.relation(SCHEMA, KEYS)
    if keys is not None and keys.is_usable and not keys.is_enabled:
        yield Finding(
            "key-readable",
            None,
            f"{server.role.name} may read {SCHEMA}.{KEYS}, and can sign any tenant.",
            f"REVOKE ALL ON {SCHEMA}.{KEYS} FROM {role}, PUBLIC; then store other keys",
            object=f"{SCHEMA}.{KEYS}",
        )
    if server.creates_temporary:
        yield Finding(
            "role-creates-temporary",
            None,
            f"{server.role.name} may create temporary tables and views: left in a pooled "
            "connection, one takes the place of a table for the next tenant.",
            "REVOKE TEMP ON DATABASE "
            f"{quoted(server.database)} FROM {role}, PUBLIC; and let the driver prepare no "
            "statements",
            object=server.role.name,
        )
