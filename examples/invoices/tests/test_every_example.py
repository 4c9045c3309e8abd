"""The HTTP API that the page uses, in every example, started with its README's command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from examples.invoices.attempts import ATTEMPTS, Attempt, attempts_json
from examples.invoices.contents import read_contents
from examples.invoices.tests.started import ASGI, EXAMPLES, client_of, readme, started
from tests.commands import ROOT

NUMBERS = count(1)


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def database(example: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(example) / "invoices.sqlite3"


@pytest.fixture(scope="module")
def address(example: str, database: Path) -> Iterator[str]:
    with started(example, database) as address:
        yield address


@pytest.fixture
def acme(address: str) -> Iterator[httpx.Client]:
    with client_of(address, "acme") as client:
        yield client


@pytest.fixture
def globex(address: str) -> Iterator[httpx.Client]:
    with client_of(address, "globex") as client:
        yield client


@pytest.fixture
def nobody(address: str) -> Iterator[httpx.Client]:
    with client_of(address) as client:
        yield client


def new_invoice(client: httpx.Client, **members: Any) -> dict[str, Any]:
    return {
        "number": f"NEW-{next(NUMBERS)}",
        "customer_id": client.get("/customers").json()[0]["id"],
        "currency_code": "EUR",
        "amount": 12_300,
        **members,
    }


def owners(rows: list[dict[str, Any]]) -> set[str]:
    return {row["tenant_id"] for row in rows}


def code_of(response: httpx.Response) -> str:
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    code: str = problem["code"]
    return code


def test_each_tenant_sees_its_own_rows(
    acme: httpx.Client, globex: httpx.Client, database: Path
) -> None:
    contents = read_contents(database)
    for client, tenant_id in ((acme, "acme"), (globex, "globex")):
        for path, rows in (
            ("/invoices", contents.invoices_of(tenant_id)),
            ("/customers", contents.customers_of(tenant_id)),
        ):
            seen = client.get(path).json()
            assert owners(seen) == {tenant_id}
            assert {row["id"] for row in seen} == rows.keys()


def test_both_share_the_currencies(acme: httpx.Client, globex: httpx.Client) -> None:
    assert [row["code"] for row in acme.get("/currencies").json()] == ["CHF", "EUR", "USD"]
    assert globex.get("/currencies").json() == acme.get("/currencies").json()


def test_a_new_invoice_belongs_to_the_tenant_that_created_it(
    acme: httpx.Client, globex: httpx.Client, database: Path
) -> None:
    theirs = globex.get("/invoices").json()
    made = acme.post("/invoices", json=new_invoice(acme))
    assert made.status_code == 201
    invoice_id = made.json()["id"]
    assert acme.get(f"/invoices/{invoice_id}").json() == made.json()
    assert made.json() in acme.get("/invoices").json()
    assert globex.get("/invoices").json() == theirs
    assert read_contents(database).invoices[invoice_id]["tenant_id"] == "acme"


def test_another_tenants_invoice_does_not_exist(acme: httpx.Client, globex: httpx.Client) -> None:
    theirs = acme.get("/invoices").json()[0]["id"]
    answers = [globex.get(f"/invoices/{each}") for each in (theirs, 10**6)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content


def test_an_id_that_no_database_holds_is_not_found(acme: httpx.Client) -> None:
    assert acme.get(f"/invoices/{10**30}").status_code in (404, 400, 422)


def test_another_tenants_customer_does_not_exist(
    acme: httpx.Client, globex: httpx.Client, database: Path
) -> None:
    before = read_contents(database)
    theirs = globex.get("/customers").json()[0]["id"]
    answers = [
        acme.post("/invoices", json=new_invoice(acme, customer_id=each)) for each in (theirs, 10**6)
    ]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].content == answers[1].content
    assert read_contents(database) == before


def test_a_number_is_taken_for_one_tenant_and_free_for_another(
    acme: httpx.Client, globex: httpx.Client
) -> None:
    number = f"BOTH-{next(NUMBERS)}"
    statuses = [
        client.post("/invoices", json=new_invoice(client, number=number)).status_code
        for client in (acme, globex, acme)
    ]
    assert statuses == [201, 201, 409]


@pytest.mark.parametrize(
    "members",
    [
        {"tenant_id": "globex"},
        {"amount": -1},
        {"amount": 2**63},
        {"number": ""},
        {"number": "x" * 21},
        {"currency_code": "XXX"},
    ],
    ids="-".join,
)
def test_what_is_not_an_invoice_is_refused_and_changes_nothing(
    acme: httpx.Client, database: Path, members: dict[str, Any]
) -> None:
    before = read_contents(database)
    response = acme.post("/invoices", json=new_invoice(acme, **members))
    assert response.status_code in (400, 422)
    assert read_contents(database) == before


@pytest.mark.parametrize("path", ["/invoices", "/customers", "/currencies"])
def test_a_request_without_a_tenant_sees_nothing(nobody: httpx.Client, path: str) -> None:
    response = nobody.get(path)
    assert response.status_code == 400
    assert code_of(response) == "tenant_missing"


def test_an_exempt_path_that_selects_invoices_is_the_applications_mistake(
    nobody: httpx.Client,
) -> None:
    response = nobody.get("/careless/public")
    assert response.status_code == 500
    assert code_of(response) == "tenant_not_in_scope"


def test_a_request_that_names_two_tenants_sees_nothing(nobody: httpx.Client) -> None:
    names = [("X-Tenant-ID", "acme"), ("X-Tenant-ID", "globex")]
    response = nobody.get("/invoices", headers=names)
    assert response.status_code == 400
    assert code_of(response) == "tenant_malformed"


def test_the_page_needs_no_tenant_and_shows_no_rows(nobody: httpx.Client, example: str) -> None:
    response = nobody.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "ACM-" not in response.text
    assert "GLX-" not in response.text


def test_the_line_that_the_page_shows_is_the_one_that_protects(
    nobody: httpx.Client, example: str
) -> None:
    shown = nobody.get("/").text.partition('<code id="registration">')[2].partition("</code>")[0]
    line = shown.replace("&quot;", '"')
    source = (ROOT / "examples" / example / "app.py").read_text()
    assert source.count(line) == 2, "once to show it, once to do it"
    assert line in readme(example)


def test_the_page_is_told_of_every_attempt(nobody: httpx.Client) -> None:
    assert nobody.get("/attempts").json() == attempts_json()


def test_tenants_do_not_mix_in_concurrent_requests(
    acme: httpx.Client, globex: httpx.Client
) -> None:
    def seen(client: httpx.Client) -> set[str]:
        return owners(client.get("/careless/core-select").json())

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(seen, [acme, globex] * 20)) == [{"acme"}, {"globex"}] * 20


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.name)
def test_an_attempt_reaches_nothing_of_the_other_tenants(
    address: str, database: Path, attempt: Attempt
) -> None:
    before = read_contents(database)
    values: dict[str, Any] = {
        "me": "acme",
        "them": "globex",
        "my_invoice": min(before.invoices_of("acme")),
        "their_invoice": min(before.invoices_of("globex")),
        "their_customer": min(before.customers_of("globex")),
        "new_number": f"NEW-{next(NUMBERS)}",
        "new_amount": 77,
    }
    filled = {f"{{{name}}}": value for name, value in values.items()}
    body = attempt.body and {name: filled.get(text, text) for name, text in attempt.body.items()}
    names = {"own": ["acme"], "none": [], "both": ["acme", "globex"]}[attempt.tenants]
    with client_of(address) as client:
        response = client.request(
            attempt.method,
            attempt.path.format_map(values),
            headers=[("X-Tenant-ID", name) for name in names],
            json=body,
        )
    assert response.status_code == attempt.expected
    if attempt.expected in (400, 403, 500):
        assert code_of(response) != ""
    after = read_contents(database)
    assert after.invoices_of("globex") == before.invoices_of("globex")
    assert after.customers_of("globex") == before.customers_of("globex")
    assert after.crossed_references() == set()
    assert (after.invoices_of("acme") != before.invoices_of("acme")) == attempt.changes
    theirs = before.numbers_of("globex") | before.names_of("globex")
    # Both may have an invoice of one number, and acme may see its own.
    theirs -= before.numbers_of("acme")
    assert {each for each in theirs if each in response.text} == set()


@pytest.fixture(scope="module", params=ASGI)
def socket_address(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    database = tmp_path_factory.mktemp(request.param) / "invoices.sqlite3"
    with started(request.param, database) as address:
        yield f"{address.replace('http', 'ws', 1)}/feed"


@pytest.mark.parametrize(("tenant_id", "prefix"), [("acme", "ACM"), ("globex", "GLX")])
async def test_a_feed_answers_with_its_tenants_numbers(
    socket_address: str, tenant_id: str, prefix: str
) -> None:
    address = socket_address.replace("ws", "http", 1).removesuffix("/feed")
    async with websockets.connect(
        socket_address, additional_headers={"X-Tenant-ID": tenant_id}
    ) as socket:
        await socket.send("list")
        before = json.loads(await socket.recv())
        with client_of(address, tenant_id) as client:
            made = client.post("/invoices", json=new_invoice(client)).json()["number"]
        await socket.send("list")
        after = json.loads(await socket.recv())
        await socket.send("enough")
        await socket.wait_closed()
    assert {number[:3] for number in before} <= {prefix, "NEW"}
    assert len(before) >= 3
    assert after == [*before, made]


async def test_a_feed_without_a_tenant_is_refused(socket_address: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(socket_address)
    assert refused.value.response.status_code == 400
