"""The rows of tenant ``A``, in whose scope all is written, of ``B`` and of nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from .schema import TABLES

__all__ = ["SECRET", "SECRET_NUMBER", "TENANT", "rows"]

TENANT: Final = "A"

SECRET: Final = "zulu"
"""Stands in every text of ``B``'s, and in nothing that is composed."""

SECRET_NUMBER: Final = 7770
"""Every number of ``B``'s begins with it, but for the keys."""

_ORDER: Final = {table.name: number for number, table in enumerate(TABLES)}
"""Parents before their children."""

Row: TypeAlias = tuple[str, dict[str, Any]]


def rows(*, everybody: bool) -> Iterator[Row]:
    """Yield rows, by table, in an order in which they can be inserted.

    ``B``'s keys are the smaller ones, so that the next key is the same where ``A`` is alone.

    Args:
        everybody: those of ``B`` and of nobody as well.
    """
    yield from sorted(_rows(everybody=everybody), key=lambda row: _ORDER[row[0]])


def _rows(*, everybody: bool) -> Iterator[Row]:
    for number in (1, 2, 3):
        yield "province", {"id": number, "name": f"p{number}", "weight": number * 2}
        yield "market", {"id": number, "name": f"m{number}", "fee": number * 3}
    for number in (1, 2):
        yield "journal", {"id": number, "name": f"j{number}", "size": number, "guild_id": None}
    if everybody:
        yield from _tenant("B", 0)
    yield from _tenant(TENANT, 100)
    yield "journal", {"id": 3, "name": "j3", "size": 3, "guild_id": 102}
    if everybody:
        # Each parent is another tenant's, so neither of them has the row.
        yield "guild_artisan", {"guild_id": 103, "artisan_id": 1}
        yield "guild_artisan", {"guild_id": 1, "artisan_id": 105}


def _tenant(tenant: str, start: int) -> Iterator[Row]:
    def word(kind: str, number: int) -> str:
        return f"{kind}{number}" if tenant == TENANT else f"{SECRET}{kind}{number}"

    def size(number: int) -> int:
        return number if tenant == TENANT else SECRET_NUMBER * 10 + number

    for n in range(1, 5):
        key = start + n
        own = {"id": key, "tenant_id": tenant}
        yield (
            "guild",
            {**own, "code": word("c", n), "name": word("g", n % 3), "size": size(n)},
        )
    for n in range(1, 6):
        key = start + n
        yield (
            "artisan",
            {
                "id": key,
                "org_id": tenant,
                # One that is composed, too, and is in the way then.
                "badge": "b9" if key == 5 else word("b", n),
                "guild_id": start + n % 3 + 1 if n % 2 else None,
                "mentor_id": key - 1 if n in (3, 4) else None,
                "province_id": [1, None, 2][n % 3],
                "name": word("a", n % 2),
                "grade": size(n % 3),
                "joined": size(n),
                "level": size(1),
            },
        )
    for n in range(1, 5):
        key = start + n
        yield (
            "commission",
            {
                "id": key,
                "artisan_id": start + n,
                "province_id": [1, None][n % 2],
                "title": word("t", n % 2),
                "price": size(n * 5),
            },
        )
        yield (
            "stage",
            {
                "id": key,
                "commission_id": start + 1 + n % 2,
                "next_id": key - 1 if n == 3 else None,
                "name": word("s", n % 2),
                "size": size(n % 3),
            },
        )
    yield "guild_artisan", {"guild_id": start + 1, "artisan_id": start + 1}
    yield "guild_artisan", {"guild_id": start + 1, "artisan_id": start + 2}
    for n in range(1, 4):
        key = start + n
        own = {"tenant_id": tenant, "name": word("x", n)}
        yield (
            "booth",
            {
                "id": key,
                **own,
                "market_id": n,
                "guild_id": start + 1 if n < 3 else None,
                "width": size(n),
            },
        )
        yield "bench", {"number": n, **own, "width": size(n)}
        yield (
            "lease",
            {
                "id": key,
                **own,
                "bench_number": 1 if n == 1 else None,
                "guild_id": start + n,
                "artisan_id": start + 5,
                "size": size(n),
            },
        )
        yield (
            "Wax Seal",
            {
                "id": key,
                "owner": tenant,
                "guild_ref": start + 2 if n < 3 else None,
                "name": word("w", n),
                "size": size(n),
            },
        )
        yield "voucher", {"id": key, **own, "guild_id": start + 1, "size": size(n)}
