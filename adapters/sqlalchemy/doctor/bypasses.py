"""Checks for what leads past a table's policies on PostgreSQL: views, partitions, functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..rls.policies import TENANT, quoted
from .findings import Finding
from .privileges import Relation, Role, Server

__all__ = ["check_bypasses", "children_of"]


def children_of(server: Server, tables: Iterable[Relation]) -> Iterator[tuple[Relation, Relation]]:
    """Yield what inherits from ``tables`` in however many steps, each after its ancestor."""
    for table in tables:
        ahead, seen = [table.oid], {table.oid}
        while ahead:
            for oid in sorted(server.children.get(ahead.pop(), ())):
                if oid not in seen and oid in server.relations:
                    seen.add(oid)
                    ahead.append(oid)
                    yield table, server.relations[oid]


def check_bypasses(server: Server, tables: Iterable[tuple[str, Relation]]) -> Iterator[Finding]:
    """Yield what the role may use and what shows rows of ``tables`` past their policies.

    Args:
        server: what the catalog says.
        tables: the tenant-aware and tied tables, each with what the models call it.
    """
    labels = {table.oid: label for label, table in tables}
    declared = [server.relations[oid] for oid in labels]
    for parent, child in children_of(server, declared):
        if child.oid not in labels and child.is_usable and not _has_policies(child):
            yield _bare_child(server.role, labels[parent.oid], child)
    # What is read of a partition is read of the table.
    read = labels | {
        child.oid: labels[parent.oid] for parent, child in children_of(server, declared)
    }
    for view in server.relations.values():
        if view.is_usable:
            yield from _check_view(server, view, read)
    for function in server.functions:
        owner = server.roles[function.owner]
        if owner.is_exempt:
            yield Finding(
                "security-definer",
                None,
                f"The function {function.signature} runs with the rights of its owner "
                f"{owner.name}, {_why(owner)}; {server.role.name} may call it.",
                f"ALTER FUNCTION {function.signature} SECURITY INVOKER; or give it another owner, "
                f"or REVOKE EXECUTE ON FUNCTION {function.signature} FROM PUBLIC;",
                object=function.signature,
            )


def _has_policies(child: Relation) -> bool:
    """Say whether ``child`` shows nothing, or what the tenant's policy lets it show."""
    if not child.is_enabled:
        return False
    return child.policies.get(TENANT, False) or all(child.policies.values())


def _bare_child(role: Role, parent: str, child: Relation) -> Finding:
    name = _sql_name(child)
    return Finding(
        "partition-without-policies",
        child.label,
        f"It is a partition of {parent}, or inherits from it, and has no policy of its own, and "
        f"{role.name} may use it: named itself, it shows all tenants' rows.",
        f"REVOKE ALL ON {name} FROM {quoted(role.name)}, PUBLIC; or, if nothing is to name it: "
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;",
        object=parent,
    )


def _check_view(server: Server, view: Relation, tables: Mapping[int, str]) -> Iterator[Finding]:
    if view.kind == "m":
        for label in sorted({tables[oid] for oid, _ in _reached(server, view, tables)}):
            yield Finding(
                "materialized-view",
                label,
                f"The materialized view {view.label} keeps rows of it, as its owner "
                f"{server.roles[view.owner].name} saw them, and can have no policies; "
                f"{server.role.name} may read it.",
                f"REVOKE ALL ON {_sql_name(view)} FROM {quoted(server.role.name)}, PUBLIC; or "
                "use a view in its place",
                object=view.label,
            )
    elif view.kind == "v":
        # Each view reads as its own owner, also within others, and one with
        # security_invoker as the role itself, whoever owns those around it.
        found = {
            (tables[oid], through)
            for oid, through in _reached(server, view, tables)
            if not server.relations[through].runs_as_invoker
            and server.roles[server.relations[through].owner].is_exempt
        }
        for label, through in sorted(found):
            owner = server.roles[server.relations[through].owner]
            via = "" if through == view.oid else f", by way of {server.relations[through].label}"
            name = _sql_name(server.relations[through])
            yield Finding(
                "view-past-policies",
                label,
                f"The view {view.label} reads it{via}, with the rights of "
                f"{owner.name}, {_why(owner)}; {server.role.name} may use it.",
                f"ALTER VIEW {name} SET (security_invoker = true); from PostgreSQL 15 on, or give "
                "it an owner for whom the policies hold",
                object=view.label,
            )


def _reached(
    server: Server, view: Relation, tables: Mapping[int, str]
) -> Iterator[tuple[int, int]]:
    """Yield the tables that ``view`` reads, each with the view that names it.

    Both may be reached through other views.
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
    return f"{quoted(relation.schema)}.{quoted(relation.name)}"


def _why(owner: Role) -> str:
    return "a superuser" if owner.is_superuser else "who has BYPASSRLS"
