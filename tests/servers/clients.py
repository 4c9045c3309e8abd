"""Clients of several tenants, which check every response."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx
import websockets

__all__ = ["Tenant", "nobody"]


class Tenant:
    """One tenant's clients, and the invoices that were acknowledged to them.

    Args:
        name: the tenant's id, with which the numbers of all of its invoices begin.
        customer_id: its one customer.
        stranger_id: a customer of another tenant.
        numbers: the numbers of the invoices that it has.
    """

    def __init__(
        self, name: str, customer_id: int, stranger_id: int, numbers: Iterable[str]
    ) -> None:
        self.name = name
        self.headers = {"X-Tenant-ID": name}
        self.customer_id = customer_id
        self.stranger_id = stranger_id
        self.numbers = set(numbers)
        self._sent = 0

    async def list_invoices(self, client: httpx.AsyncClient) -> None:
        known = self.numbers.copy()
        response = await client.get("/invoices", headers=self.headers)
        assert response.status_code == 200, response.text
        rows: list[dict[str, Any]] = response.json()
        self._check(known, [row["number"] for row in rows])
        assert {(row["tenant_id"], row["customer_id"]) for row in rows} == {
            (self.name, self.customer_id)
        }

    async def list_customers(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/customers", headers=self.headers)
        assert response.status_code == 200, response.text
        assert response.json() == [
            {"id": self.customer_id, "tenant_id": self.name, "name": f"customer of {self.name}"}
        ]

    async def create(self, client: httpx.AsyncClient) -> None:
        response = await self._post(client, self.customer_id, self.headers)
        assert response.status_code == 201, response.text
        row = response.json()
        assert row["tenant_id"] == self.name
        self.numbers.add(row["number"])

    async def create_for_a_stranger(self, client: httpx.AsyncClient) -> None:
        response = await self._post(client, self.stranger_id, self.headers)
        assert response.status_code == 422, response.text

    async def create_for_nobody(self, client: httpx.AsyncClient) -> None:
        # Refused before its body is read, and Hypercorn closes the connection if the body has not
        # arrived by then, without a word in the response: the client must not use it again.
        response = await self._post(client, self.customer_id, {"Connection": "close"})
        assert (response.status_code, response.json()["code"]) == (400, "tenant_missing")

    async def read_feed(self, feed: websockets.ClientConnection) -> None:
        known = self.numbers.copy()
        await feed.send("list")
        self._check(known, httpx.Response(200, content=await feed.recv()).json())

    def _check(self, known: set[str], numbers: list[str]) -> None:
        """Check that ``numbers`` has everything in ``known``, and nothing of another tenant."""
        assert known <= set(numbers)
        assert {number.partition("/")[0] for number in numbers} == {self.name}

    async def _post(
        self, client: httpx.AsyncClient, customer_id: int, headers: dict[str, str]
    ) -> httpx.Response:
        self._sent += 1
        body = {
            "number": f"{self.name}/+{self._sent}",
            "customer_id": customer_id,
            "currency_code": "EUR",
            "amount": self._sent,
        }
        return await client.post("/invoices", json=body, headers=headers)


async def nobody(feed: str) -> int:
    """Return the status of a websocket at ``feed`` that is refused for lack of a tenant."""
    try:
        async with websockets.connect(feed, proxy=None):
            return 101
    except websockets.InvalidStatus as refused:
        return refused.response.status_code
