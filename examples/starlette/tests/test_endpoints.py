"""The example's endpoints, over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.invoices.contents import read_contents

NEW = {"number": "NEW-1", "customer_id": 4, "currency_code": "EUR", "amount": 12_300}


def problem_of(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == response.status_code
    return problem


def prefixes(rows: list[dict[str, Any]]) -> set[str]:
    return {row["number"][:3] for row in rows}


class TestReading:
    def test_each_tenant_lists_its_own_invoices(
        self, acme: httpx.Client, globex: httpx.Client
    ) -> None:
        numbers = [row["number"] for row in acme.get("/invoices").json()]
        assert numbers == ["ACM-1001", "ACM-1002", "ACM-1003", "ACM-1004"]
        assert {"GLX-7001", "GLX-7002", "GLX-7003"} <= {
            row["number"] for row in globex.get("/invoices").json()
        }

    def test_each_tenant_lists_its_own_customers(
        self, acme: httpx.Client, globex: httpx.Client
    ) -> None:
        names = {row["name"] for row in acme.get("/customers").json()}
        assert names == {"Brown & Sons", "Dubois <Lyon>", "Kowalski"}
        names = {row["name"] for row in globex.get("/customers").json()}
        assert names == {"Northwind", "Sirius Shipping"}

    def test_all_tenants_share_the_currencies(
        self, acme: httpx.Client, globex: httpx.Client
    ) -> None:
        assert [row["code"] for row in acme.get("/currencies").json()] == ["CHF", "EUR", "USD"]
        assert globex.get("/currencies").json() == acme.get("/currencies").json()

    def test_a_streamed_export_holds_the_same_rows_as_the_list(self, acme: httpx.Client) -> None:
        lines = acme.get("/invoices/export").text.splitlines()
        assert [json.loads(line) for line in lines] == acme.get("/invoices").json()

    def test_an_invoice_is_found_by_its_id(self, acme: httpx.Client) -> None:
        for row in acme.get("/invoices").json():
            assert acme.get(f"/invoices/{row['id']}").json() == row

    def test_another_tenants_invoice_is_as_absent_as_one_that_does_not_exist(
        self, acme: httpx.Client, globex: httpx.Client
    ) -> None:
        theirs = acme.get("/invoices").json()[0]["id"]
        answers = [globex.get(f"/invoices/{each}") for each in (theirs, 10**6, 10**30)]
        assert [answer.status_code for answer in answers] == [404, 404, 404]
        assert len({answer.content for answer in answers}) == 1

    def test_a_tenant_that_owns_nothing_sees_nothing(self, address: str) -> None:
        response = httpx.get(
            f"{address}/invoices", headers={"X-Tenant-ID": "initech"}, trust_env=False
        )
        assert (response.status_code, response.json()) == (200, [])


class TestWriting:
    def test_a_new_invoice_belongs_to_the_tenant_that_made_it(
        self, acme: httpx.Client, globex: httpx.Client, database: Path
    ) -> None:
        made = globex.post("/invoices", json=NEW)
        assert made.status_code == 201
        assert globex.get(made.headers["location"]).json() == made.json()
        assert acme.get(made.headers["location"]).status_code == 404
        row = read_contents(database).invoices[made.json()["id"]]
        assert row["tenant_id"] == "globex"

    def test_two_tenants_may_use_the_same_number_and_one_may_not_use_it_twice(
        self, acme: httpx.Client, globex: httpx.Client, database: Path
    ) -> None:
        before = read_contents(database).invoices_of("acme")
        taken = {**NEW, "number": "ACM-1001"}
        assert globex.post("/invoices", json=taken).status_code == 201
        again = globex.post("/invoices", json=taken)
        assert again.status_code == 409
        assert read_contents(database).invoices_of("acme") == before

    def test_another_tenants_customer_is_as_absent_as_one_that_does_not_exist(
        self, acme: httpx.Client, globex: httpx.Client
    ) -> None:
        theirs = acme.get("/customers").json()[0]["id"]
        answers = [
            globex.post("/invoices", json={**NEW, "number": "NEW-2", "customer_id": each})
            for each in (theirs, 10**6)
        ]
        assert [answer.status_code for answer in answers] == [422, 422]
        assert answers[0].content == answers[1].content

    def test_a_change_is_kept(self, globex: httpx.Client) -> None:
        own = globex.get("/invoices").json()[0]
        changed = globex.patch(f"/invoices/{own['id']}", json={"paid": True, "amount": 5})
        assert changed.json() == {**own, "paid": True, "amount": 5}
        assert globex.get(f"/invoices/{own['id']}").json() == changed.json()

    def test_another_tenants_invoice_cannot_be_changed(
        self, acme: httpx.Client, globex: httpx.Client
    ) -> None:
        theirs = acme.get("/invoices").json()[0]
        assert globex.patch(f"/invoices/{theirs['id']}", json={"amount": 1}).status_code == 404
        assert acme.get(f"/invoices/{theirs['id']}").json() == theirs

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"{", 400),
            (b"\xff", 400),
            (b"[1]", 422),
            (b"{}", 422),
            (json.dumps({**NEW, "tenant_id": "acme"}).encode(), 422),
            (json.dumps({**NEW, "amount": "5"}).encode(), 422),
            (json.dumps({**NEW, "amount": True}).encode(), 422),
            (json.dumps({**NEW, "amount": -1}).encode(), 422),
            (json.dumps({**NEW, "amount": 2**63}).encode(), 422),
            (json.dumps({**NEW, "number": ""}).encode(), 422),
            (json.dumps({**NEW, "number": "x" * 21}).encode(), 422),
            (json.dumps({**NEW, "currency_code": "XXX"}).encode(), 422),
        ],
    )
    def test_a_body_that_is_not_an_invoice_is_refused_and_changes_nothing(
        self, globex: httpx.Client, database: Path, body: bytes, status: int
    ) -> None:
        before = read_contents(database)
        response = globex.post("/invoices", content=body)
        assert response.status_code == status
        assert read_contents(database) == before


class TestPages:
    def test_the_page_shows_the_tenants_invoices_and_no_others(
        self, acme: httpx.Client, globex: httpx.Client
    ) -> None:
        html = acme.get("/page").text
        assert "Invoices of acme" in html
        for row in acme.get("/invoices").json():
            assert row["number"] in html
        assert "Kowalski" in html
        assert "GLX" not in html
        assert "Northwind" not in html
        assert "ACM-1002" not in globex.get("/page").text

    def test_the_page_escapes_names_and_the_tenant(self, acme: httpx.Client, address: str) -> None:
        html = acme.get("/page").text
        assert "Dubois &lt;Lyon&gt;" in html
        assert "Brown &amp; Sons" in html
        assert "<Lyon>" not in html
        tenant = {"X-Tenant-ID": '<script>alert("1")</script>'}
        html = httpx.get(f"{address}/page", headers=tenant, trust_env=False).text
        assert "<script>" not in html
        assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;" in html

    def test_the_page_is_not_kept_by_a_cache(self, acme: httpx.Client) -> None:
        assert acme.get("/page").headers["cache-control"] == "no-store"

    def test_the_start_page_needs_no_tenant_and_shows_no_rows(self, nobody: httpx.Client) -> None:
        response = nobody.get("/")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/html")
        assert "ACM-" not in response.text
        assert "GLX-" not in response.text


class TestWithoutATenant:
    @pytest.mark.parametrize("path", ["/page", "/invoices", "/customers", "/currencies"])
    def test_a_request_is_refused(self, nobody: httpx.Client, path: str) -> None:
        response = nobody.get(path)
        assert response.status_code == 400
        assert problem_of(response)["code"] == "tenant_missing"

    def test_a_request_that_names_two_tenants_is_refused(self, nobody: httpx.Client) -> None:
        names = [("X-Tenant-ID", "acme"), ("X-Tenant-ID", "globex")]
        response = nobody.get("/invoices", headers=names)
        assert response.status_code == 400
        assert problem_of(response)["code"] == "tenant_malformed"


class TestCarelessEndpoints:
    @pytest.mark.parametrize("path", ["/careless/all-invoices", "/careless/core-select"])
    def test_a_forgotten_filter_shows_own_rows_only(self, acme: httpx.Client, path: str) -> None:
        rows = acme.get(path).json()
        assert len(rows) == 4
        assert prefixes(rows) == {"ACM"}

    def test_a_join_without_a_filter_adds_up_own_rows_only(self, acme: httpx.Client) -> None:
        totals = {row["name"]: row["total"] for row in acme.get("/careless/totals").json()}
        assert totals == {"Brown & Sons": 133_950, "Dubois <Lyon>": 46_700, "Kowalski": 310_000}

    def test_raw_sql_is_refused(self, acme: httpx.Client) -> None:
        response = acme.get("/careless/raw-sql")
        assert response.status_code == 500
        assert problem_of(response)["code"] == "statement_unguarded"

    def test_a_bulk_update_without_where_changes_own_rows_only(
        self, globex: httpx.Client, database: Path
    ) -> None:
        before = read_contents(database)
        assert globex.post("/careless/bulk-update").status_code == 204
        after = read_contents(database)
        own = before.invoices_of("globex").keys()
        assert all(after.invoices[key] != before.invoices[key] for key in own)
        assert after.invoices_of("acme") == before.invoices_of("acme")

    @pytest.mark.parametrize(
        ("named", "customer_of"),
        [("acme", "acme"), ("acme", "globex"), ("globex", "acme")],
        ids=["both-spoofed", "tenant-spoofed", "customer-spoofed"],
    )
    def test_a_row_for_another_tenant_or_its_customer_is_refused(
        self, globex: httpx.Client, database: Path, named: str, customer_of: str
    ) -> None:
        before = read_contents(database)
        customer_id = min(before.customers_of(customer_of))
        body = {**NEW, "number": "NEW-3", "tenant_id": named, "customer_id": customer_id}
        response = globex.post("/careless/create", json=body)
        assert response.status_code == 403
        assert problem_of(response)["code"] == "cross_tenant"
        assert read_contents(database) == before

    def test_a_row_cannot_be_handed_to_another_tenant(
        self, globex: httpx.Client, database: Path
    ) -> None:
        before = read_contents(database)
        own = min(before.invoices_of("globex"))
        response = globex.patch(f"/careless/change/{own}", json={"tenant_id": "acme"})
        assert response.status_code == 403
        assert problem_of(response)["code"] == "cross_tenant"
        assert read_contents(database) == before
