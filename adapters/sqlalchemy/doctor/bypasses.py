"""Checks for objects that bypass policies on PostgreSQL: views, partitions, functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from ..rls.policies import TENANT
from ..rls.sql import quoted, table_name
from .findings import Finding
from .privileges import Relation, Role, Rule, Server

__all__ = ["check_bypasses", "children_of", "reached", "reached_by_rule"]


def children_of(server: Server, tables: Iterable[Relation]) -> Iterator[tuple[Relation, Relation]]:
    """Yield all descendants of ``tables``, each with the table that it inherits from."""
    for table in tables:
        ahead, seen = [table.oid], {table.oid}
        while ahead:
            for oid in sorted(server.children.get(ahead.pop(), ())):
                if oid not in seen and oid in server.relations:
                    seen.add(oid)
                    ahead.append(oid)
                    yield table, server.relations[oid]


def check_bypasses(
    server: Server, tables: Iterable[tuple[str, Relation]], verifiers: Collection[str] = ()
) -> Iterator[Finding]:
    """Yield the objects that the role may use and that bypass the policies of ``tables``.

    Args:
        server: the contents of the catalog.
        tables: the tenant-aware and tied tables, each with its name in the models.
        verifiers: the functions of this package that run with the rights of their owner.
    """
    labels = {table.oid: label for label, table in tables}
    declared = [server.relations[oid] for oid in labels]
    for parent, child in children_of(server, declared):
        if child.oid not in labels and child.is_usable and not _has_policies(child):
            yield _bare_child(server.role, labels[parent.oid], child)
    # Reading a partition is reading its table.
    read = labels | {
        child.oid: labels[parent.oid] for parent, child in children_of(server, declared)
    }
    for view in server.relations.values():
        if view.is_usable:
            yield from _check_view(server, view, read)
    for oid, rules in server.rules.items():
        for rule in rules:
            yield from _check_rule(server, server.relations.get(oid), rule, read)
    for function in server.functions:
        owner = server.roles[function.owner]
        leads_past = owner.is_exempt or (verifiers and owner.owns_keys)
        if leads_past and function.signature not in verifiers:
            yield Finding(
                "security-definer",
                None,
                f"The function {function.signature} runs with the rights of its owner "
                f"{owner.name}, {_why(owner)}; {server.role.name} may call it, or have a trigger "
                "call it.",
                f"ALTER FUNCTION {function.signature} SECURITY INVOKER; or give it another owner, "
                f"or REVOKE EXECUTE ON FUNCTION {function.signature} FROM PUBLIC;",
                object=function.signature,
            )


def _has_policies(child: Relation) -> bool:
    """Return whether the policies of ``child`` hide all rows, or all but the tenant's."""
    if not child.is_enabled:
        return False
    return child.policies.get(TENANT, False) or all(child.policies.values())


def _bare_child(role: Role, parent: str, child: Relation) -> Finding:
    name = _sql_name(child)
    return Finding(
        "partition-without-policies",
        child.label,
        f"It is a partition of {parent}, or inherits from it, and has no policy of its own. "
        f"{role.name} may use it: queried directly, it shows all tenants' rows.",
        f"REVOKE ALL ON {name} FROM {quoted(role.name)}, PUBLIC; or, if no query names it: "
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;",
        object=parent,
    )


def _check_view(server: Server, view: Relation, tables: Mapping[int, str]) -> Iterator[Finding]:
    if view.kind == "m":
        for label in sorted({tables[oid] for oid, _ in reached(server, view, tables)}):
            yield Finding(
                "materialized-view",
                label,
                f"The materialized view {view.label} stores a copy of its rows, as its owner "
                f"{server.roles[view.owner].name} saw them, and cannot have policies; "
                f"{server.role.name} may read it.",
                f"REVOKE ALL ON {_sql_name(view)} FROM {quoted(server.role.name)}, PUBLIC; or "
                "replace it with a view",
                object=view.label,
            )
    elif view.kind == "v":
        # A view reads with its own owner's rights, even inside another view. A view with
        # security_invoker reads with those of the role that runs the query.
        found = {
            (tables[oid], through)
            for oid, through in reached(server, view, tables)
            if not server.relations[through].runs_as_invoker
            and server.roles[server.relations[through].owner].is_exempt
        }
        for label, through in sorted(found):
            owner = server.roles[server.relations[through].owner]
            via = "" if through == view.oid else f", through {server.relations[through].label}"
            name = _sql_name(server.relations[through])
            yield Finding(
                "view-past-policies",
                label,
                f"The view {view.label} reads it{via}, with the rights of "
                f"{owner.name}, {_why(owner)}; {server.role.name} may use it.",
                f"ALTER VIEW {name} SET (security_invoker = true); since PostgreSQL 15, or give "
                "it an owner to whom the policies apply",
                object=view.label,
            )


def _check_rule(
    server: Server, relation: Relation | None, rule: Rule, tables: Mapping[int, str]
) -> Iterator[Finding]:
    if relation is None:
        return
    owner, name = server.roles[relation.owner], quoted(rule.name)
    if relation.oid in tables:
        yield Finding(
            "table-rule",
            tables[relation.oid],
            f"The rule {rule.name} changes what writing its rows does, with the rights of its "
            f"owner {owner.name}. What it does is not examined: it may copy rows to where "
            "other tenants read them.",
            f"DROP RULE {name} ON {_sql_name(relation)}; or use a trigger",
            object=rule.name,
        )
    if not relation.is_usable:
        return
    found = {
        tables[oid]
        for oid, acting in reached_by_rule(server, relation, rule, tables)
        if server.roles[server.relations[acting].owner].is_exempt
    }
    for label in sorted(found):
        yield Finding(
            "rule-past-policies",
            label,
            f"The rule {rule.name} of {relation.label} reaches it with the rights of "
            f"{owner.name}, to whom no policy applies; {server.role.name} may write to "
            f"{relation.label}.",
            f"DROP RULE {name} ON {_sql_name(relation)}; or give {relation.label} an owner to "
            "whom the policies apply",
            object=rule.name,
        )


def reached_by_rule(
    server: Server, relation: Relation, rule: Rule, tables: Mapping[int, str]
) -> Iterator[tuple[int, int]]:
    """Yield the tables that a rule of ``relation`` names, directly or through views.

    Each comes with the relation with whose owner's rights it is reached.
    """
    for oid in rule.reaches:
        if oid in tables:
            yield oid, relation.oid
        elif oid in server.relations:
            for table, through in reached(server, server.relations[oid], tables):
                is_invoker = server.relations[through].runs_as_invoker
                yield table, relation.oid if is_invoker else through


def reached(server: Server, view: Relation, tables: Mapping[int, str]) -> Iterator[tuple[int, int]]:
    """Yield the tables that ``view`` reads, directly or through other views.

    Each comes with the view that names it.
    """
    ahead, seen = [view.oid], {view.oid}
    while ahead:
        here = ahead.pop()
        for oid in server.reads.get(here, ()):
            if oid in tables:
                yield oid, here
            elif oid not in seen:
                seen.add(oid)
                ahead.append(oid)


def _sql_name(relation: Relation) -> str:
    return table_name(relation.schema, relation.name)


def _why(owner: Role) -> str:
    if owner.is_superuser:
        return "a superuser"
    if owner.bypasses:
        return "who has BYPASSRLS"
    return "who owns the keys with which tenants are signed"
