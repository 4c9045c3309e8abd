"""Checks whether tenants are signed, and what would make their signatures worthless."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..rls.specification import TablePolicySpec
from ..rls.sql import quoted, table_name
from ..rls.verifier import KEYS, SCHEMA, verifier_functions_of
from .bypasses import reached, reached_by_rule
from .findings import Finding
from .privileges import Relation, Server

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
    if keys is not None:
        yield from _check_keys(server, keys)
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


def _check_keys(server: Server, keys: Relation) -> Iterator[Finding]:
    """Yield the ways to read the keys, to add one, or to be told of those that are stored."""
    role, name = server.role.name, f"{SCHEMA}.{KEYS}"
    other_keys = "; then store other keys"
    is_open = not keys.is_enabled or keys.permits
    if keys.owner == server.role.oid:
        yield _readable(
            name,
            f"{role} owns {name}, and can sign any tenant.",
            f"ALTER TABLE {name} OWNER TO ...{other_keys}",
        )
    elif keys.is_usable and is_open:
        yield _readable(
            name,
            f"{role} may read or change {name}, and can sign any tenant.",
            f"REVOKE ALL ON {name} FROM {quoted(role)}, PUBLIC{other_keys}",
        )
    if keys.triggers and keys.owner != server.role.oid:
        yield _readable(
            name,
            f"{role} may create triggers on {name}, which are told the keys that are stored.",
            f"REVOKE TRIGGER ON {name} FROM {quoted(role)}, PUBLIC{other_keys}",
        )
    for rule in server.rules.get(keys.oid, ()):
        yield _readable(
            rule.name,
            f"The rule {rule.name} on {name} is told the keys that are stored.",
            f"DROP RULE {quoted(rule.name)} ON {name}{other_keys}",
        )
    for parent in _parents_of(server, keys):
        if parent.is_usable:
            yield _readable(
                parent.label,
                f"{name} inherits from {parent.label}: {role} reads its rows there, and can sign "
                "any tenant.",
                f"ALTER TABLE {name} NO INHERIT {table_name(parent.schema, parent.name)}"
                f"{other_keys}",
            )
    names = {keys.oid: name} | {each.oid: name for each in _parents_of(server, keys)}
    for view in server.relations.values():
        if view.is_usable and _shows(server, view, names, is_open=is_open):
            sql_name = table_name(view.schema, view.name)
            yield _readable(
                view.label,
                f"{view.label} reaches {name} with the rights of an owner who may read it; {role} "
                f"may use {view.label}, and can sign any tenant.",
                f"REVOKE ALL ON {sql_name} FROM {quoted(role)}, PUBLIC{other_keys}",
            )


def _shows(server: Server, relation: Relation, keys: Mapping[int, str], *, is_open: bool) -> bool:
    """Return whether a view, or a rule on writes, reaches the keys with rights that suffice."""
    if relation.oid in keys:
        return False
    found = {through for _, through in reached(server, relation, keys)}
    if relation.kind == "m" and found:
        return True
    acting = {each for each in found if not server.relations[each].runs_as_invoker} | {
        acting
        for rule in server.rules.get(relation.oid, ())
        for _, acting in reached_by_rule(server, relation, rule, keys)
    }
    owners = [server.roles[server.relations[each].owner] for each in acting]
    return any(is_open or each.is_exempt or each.owns_keys for each in owners)


def _parents_of(server: Server, table: Relation) -> list[Relation]:
    """Return the tables that ``table`` inherits from, directly or not."""
    ahead, found = [table.oid], {}
    while ahead:
        here = ahead.pop()
        for oid, children in server.children.items():
            if here in children and oid not in found and oid in server.relations:
                found[oid] = server.relations[oid]
                ahead.append(oid)
    return [found[oid] for oid in sorted(found)]


def _readable(subject: str, reason: str, fix: str) -> Finding:
    return Finding("key-readable", None, reason, fix, object=subject)
