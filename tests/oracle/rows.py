"""The rows of all tenants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

__all__ = ["TENANT", "Row", "rows", "rows_of"]

TENANT: Final = "A"
"""The tenant in whose scope the statements run; ``B`` and ``C`` are the others."""

Row: TypeAlias = tuple[str, str | None, dict[str, Any]]
"""A table's full name, whose row it is, and the values by column name. A row of ``None``
belongs to everybody where the table has such rows, and to nobody where it has none."""

_SHARED: Final = frozenset({"harbour", "tariff", "levy"})


def rows() -> Iterator[tuple[str, str | None, dict[str, Any]]]:
    """Yield the rows of all tenants.

    The tenants' values overlap, so that a statement that sees too much finds partners
    and counts differently; some foreign keys point at another tenant's row, as they may
    in a database that was not guarded from its first day.
    """
    for number in range(1, 5):
        depth = None if number == 4 else number * 3
        yield "harbour", None, {"id": number, "name": f"h{number}", "depth": depth}
    for start, tenant in ((0, "A"), (100, "B"), (200, "C")):
        yield from _owned(tenant, start, 6 if tenant == "A" else 4)
        yield from _tariffs(tenant, start)
    yield from _tariffs(None, 300)
    yield from _mixed_up()


def _cycle(values: list[Any], position: int) -> Any:
    return values[position % len(values)]


def _owned(tenant: str, start: int, count: int) -> Iterator[Row]:
    for n in range(1, count + 1):
        key = start + n
        fleet = _cycle([start + 1, start + 2, None], n)
        vessel = _cycle([start + 1, start + 2, start + 3, None], n)
        sure = start + 1 + n % 3
        yield (
            "fleet",
            tenant,
            {
                "id": key,
                "tenant_id": tenant,
                "name": f"f{n % 4}",
                "size": _cycle([1, 2, 3, None], n),
                "harbour_id": _cycle([1, 2, None], n),
            },
        )
        yield (
            "vessel",
            tenant,
            {
                "id": key,
                "org_id": tenant,
                "fleet_id": fleet,
                "parent_id": None if n < 3 else start + n // 2,
                "name": f"v{n % 3}",
                "tonnage": _cycle([2, 5, None, 7], n + len(tenant)),
                "log": f"log {tenant}{n}",
            },
        )
        yield (
            "voyage",
            tenant,
            {
                "id": key,
                "vessel_id": sure,
                "harbour_id": _cycle([1, 3, None], n),
                "days": n % 4,
                "cost": _cycle([4, None, 6], n),
            },
        )
        yield (
            "stop",
            tenant,
            {"id": key, "voyage_id": start + 1 + n % 2, "hours": n % 3, "label": f"s{n % 2}"},
        )
        kind = _cycle(["sailor", "officer", "cook"], n)
        yield (
            "sailor",
            tenant,
            {
                "id": key,
                "tenant_id": tenant,
                "kind": kind,
                "name": f"n{n % 4}",
                "grade": _cycle([1, None, 3], n // 2),
                "fleet_id": fleet,
                "stars": n if kind == "officer" else None,
                "dish": f"d{n % 2}" if kind == "cook" else None,
            },
        )
        yield "boarding", tenant, {"vessel_id": sure, "sailor_id": key}
        kind = _cycle(["bill", "permit", "document"], n)
        yield (
            "document",
            tenant,
            {
                "id": key,
                "tenant_id": tenant,
                "kind": kind,
                "title": f"t{n % 3}",
                "vessel_id": vessel,
            },
        )
        if kind == "bill":
            yield "bill", tenant, {"id": key, "amount": _cycle([10, None, 30], n // 3)}
        if kind == "permit":
            yield "permit", tenant, {"id": key, "harbour_id": _cycle([2, None], n // 3)}
        own = {"id": key, "tenant_id": tenant, "name": f"p{n % 3}", "room": _cycle([5, None], n)}
        yield "depot", tenant, own
        if n < 4:
            yield "cold_depot", tenant, {**own, "id": start + 50 + n, "degrees": -n}
        yield (
            "berth",
            tenant,
            {
                "tenant_id": tenant,
                "number": n,
                "label": f"{tenant.lower()}{n}",
                "length": _cycle([8, 9, None], n),
            },
        )
        yield (
            "yard.remark",
            tenant,
            {
                "id": key,
                "tenant_id": tenant,
                "vessel_id": vessel,
                "body": f"b{n % 3}",
                "stars": _cycle([1, 5, None], n),
            },
        )


def _tariffs(tenant: str | None, start: int) -> Iterator[Row]:
    for n in range(1, 4):
        key = start + n
        tariff = {"id": key, "tenant_id": tenant, "harbour_id": _cycle([1, 2, None], n)}
        yield "tariff", tenant, {**tariff, "name": f"n{n % 2}", "rate": _cycle([1, None, 3], n)}
        levy = {"id": key, "tariff_id": start + 1 + n % 2, "label": f"s{n % 2}"}
        yield "levy", tenant, {**levy, "amount": _cycle([2, None, 5], n)}


def _mixed_up() -> Iterator[Row]:
    """Rows that refer to another tenant's."""
    vessel = {"parent_id": None, "name": "v1", "tonnage": 5, "log": "x"}
    yield "vessel", "A", {**vessel, "id": 11, "org_id": "A", "fleet_id": 101}
    yield "vessel", "A", {**vessel, "id": 12, "org_id": "A", "fleet_id": 1, "parent_id": 102}
    yield "vessel", "B", {**vessel, "id": 111, "org_id": "B", "fleet_id": 1, "parent_id": 1}
    sailor = {"kind": "sailor", "name": "n1", "grade": 3, "stars": None, "dish": None}
    yield "sailor", "A", {**sailor, "id": 11, "tenant_id": "A", "fleet_id": 102}
    yield "sailor", "B", {**sailor, "id": 111, "tenant_id": "B", "fleet_id": 2}
    document = {"kind": "document", "title": "t1"}
    yield "document", "A", {**document, "id": 11, "tenant_id": "A", "vessel_id": 103}
    yield "document", "B", {**document, "id": 111, "tenant_id": "B", "vessel_id": 2}
    remarked = {"body": "b1", "stars": 5}
    yield "yard.remark", "A", {**remarked, "id": 11, "tenant_id": "A", "vessel_id": 101}
    yield "yard.remark", "B", {**remarked, "id": 111, "tenant_id": "B", "vessel_id": 1}
    # Each parent is another tenant's, so neither of them has the row.
    yield "boarding", None, {"vessel_id": 1, "sailor_id": 101}
    yield "boarding", None, {"vessel_id": 102, "sailor_id": 2}
    yield "boarding", "B", {"vessel_id": 111, "sailor_id": 111}


def rows_of(tenant: str) -> Iterator[Row]:
    """Yield the rows of ``tenant`` and those of everybody."""
    for table, owner, values in rows():
        if owner == tenant or (owner is None and table in _SHARED):
            yield table, owner, values
