"""The section of the page that follows a request, over HTTP."""

from __future__ import annotations

import re
import sqlite3
from ast import literal_eval
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from examples.invoices.contents import read_contents
from examples.invoices.recording import SQL, Recording, Statement
from examples.invoices.trace import Trace, section
from tests.commands import serving

REQUESTS = (
    "its invoices",
    "its invoices as a stream",
    "its invoices as a page",
    "its customers",
    "one invoice of its own",
    "a new invoice",
    "a change to its own invoice",
    "the currencies, which all share",
    "another tenant's id in the URL",
    "the same, past the ORM's get",
    "the same, to change the invoice",
    "a forgotten filter",
    "a forgotten filter in a join",
    "a Core select",
    "raw SQL",
    "a bulk update without WHERE",
    "a new row under another tenant",
    "an own row handed to another",
    "an invoice to another's customer",
    "no tenant, on an exempt path",
)
SENDERS = ("acme", "globex", "no tenant", "both at once", "an attacker")
TAG = re.compile(r"<[^>]+>")
ADDED = re.compile(r"<ins>.*?</ins>", re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """A statement of the page: what was written and sent, as HTML, and the parameters."""

    written: str | None
    sent: str | None
    values: str

    @property
    def added(self) -> list[str]:
        """The text of each part that is marked as the guard's."""
        return [text_of(each) for each in ADDED.findall(self.sent or "")]


@dataclass(frozen=True)
class Seen:
    page: str

    @property
    def steps(self) -> dict[str, tuple[str, str]]:
        """The state and the text of each step, by its name."""
        steps = re.findall(
            r'<li class="(\w+)"><h3>(\w+)</h3><p>(.*?)</p></li>', self.page, re.DOTALL
        )
        return {name: (state, text_of(text)) for state, name, text in steps}

    @property
    def statements(self) -> list[Shown]:
        return [
            Shown(code_in(written), code_in(sent), code_in(sent.partition("<p>with ")[2]) or "")
            for written, sent in re.findall(
                r"<h3>The code wrote</h3>(.*?)</div>\s*<div><h3>The database got</h3>(.*?)</div>",
                self.page,
                re.DOTALL,
            )
        ]


def code_in(html: str) -> str | None:
    found = re.search(r"<code>(.*?)</code>", html, re.DOTALL)
    return found and found[1]


def text_of(html: str) -> str:
    return unescape(TAG.sub(" ", html)) if "<br>" in html else unescape(TAG.sub("", html))


def literals(html: str) -> list[object]:
    """Return the values of parameters that the page shows."""
    values: list[object] = literal_eval(f"[{text_of(html)}]")
    return values


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "statements"


@pytest.fixture(scope="module")
def address(database: Path, log: Path) -> Iterator[str]:
    module = "examples.starlette.tests.traced"
    with serving(module, str(log), environ={"INVOICES_DATABASE": str(database)}) as address:
        # On its first connection, SQLAlchemy asks the database for its settings.
        httpx.get(address, trust_env=False).raise_for_status()
        yield address


def follow(client: httpx.Client, request: str, sender: str) -> Seen:
    response = client.post("/", data={"request": request, "sender": sender})
    assert response.status_code == 200
    return Seen(response.text)


def executed(database: Path, statement: Shown) -> str:
    """Return the statement as SQLite executes it, its parameters filled in."""
    said: list[str] = []
    with closing(sqlite3.connect(database)) as connection:
        # The same row again would be refused.
        connection.execute("DELETE FROM invoice")
        connection.set_trace_callback(said.append)
        connection.execute(text_of(statement.sent or ""), literals(statement.values))
        connection.set_trace_callback(None)
        connection.rollback()
    (only,) = said
    return only


def test_the_choices_are_all_there(nobody: httpx.Client) -> None:
    options = re.findall(r"<option[^>]*>(.*?)</option>", nobody.get("/").text)
    assert [unescape(each) for each in options] == [*REQUESTS, *SENDERS]


@pytest.mark.parametrize("sender", ["acme", "globex", "an attacker"])
@pytest.mark.parametrize("request_", REQUESTS)
class TestEach:
    def test_shows_the_sql_that_the_database_executed(
        self, nobody: httpx.Client, database: Path, log: Path, request_: str, sender: str
    ) -> None:
        before = log.read_text() if log.exists() else ""
        seen = follow(nobody, request_, sender)
        said = log.read_text().removeprefix(before).split("\0")
        ran = [each for each in said if each not in ("", "BEGIN ", "COMMIT", "ROLLBACK")]
        shown = [each for each in seen.statements if each.sent is not None]
        assert [executed(database, each) for each in shown] == ran

    def test_marks_exactly_what_the_guard_added(
        self, nobody: httpx.Client, request_: str, sender: str
    ) -> None:
        name = "<b>acme</b>' OR '1'='1" if sender == "an attacker" else sender
        for each in follow(nobody, request_, sender).statements:
            if each.sent is None:
                continue
            assert ADDED.sub("", each.sent).split() == (each.written or "").split()
            is_shared = "FROM currency" in each.sent
            assert any("tenant_id" in part for part in each.added) == (not is_shared)
            marked = literals(",".join(ADDED.findall(each.values)))
            assert len(marked) == "".join(each.added).count("?")
            assert (name in marked) == (not is_shared)

    def test_shows_no_row_of_another_tenant(
        self, nobody: httpx.Client, database: Path, request_: str, sender: str
    ) -> None:
        seen = follow(nobody, request_, sender)
        contents = read_contents(database)
        for tenant_id in {"acme", "globex"} - {sender}:
            marks = contents.numbers_of(tenant_id) | contents.names_of(tenant_id)
            # A number such as NEW-8 may be the sender's as well.
            marks -= contents.numbers_of(sender)
            assert {mark for mark in marks if mark in unescape(seen.page)} == set()
            assert repr(tenant_id) not in unescape(seen.page.partition('id="trace"')[2])


def rows_of(seen: Seen) -> str:
    state, text = seen.steps["Rows"]
    assert state == "passed"
    return text.partition(" ■")[0].partition(" □")[0].strip()


@pytest.mark.parametrize("sender", ["acme", "globex"])
def test_the_rows_are_those_of_the_sender_out_of_all(
    nobody: httpx.Client, database: Path, sender: str
) -> None:
    contents = read_contents(database)
    own, total = len(contents.invoices_of(sender)), len(contents.invoices)
    customers, all_customers = len(contents.customers_of(sender)), len(contents.customers)
    assert {each: rows_of(follow(nobody, each, sender)) for each in REQUESTS[:5]} == {
        "its invoices": f"200: read {own} of the {total} rows in invoice",
        "its invoices as a stream": f"200: read {own} of the {total} rows in invoice",
        "its invoices as a page": f"200: read {own} of the {total} rows in invoice",
        "its customers": f"200: read {customers} of the {all_customers} rows in customer",
        "one invoice of its own": f"200: read 1 of the {total} rows in invoice",
    }
    theirs = follow(nobody, "another tenant's id in the URL", sender)
    assert rows_of(theirs) == f"404: read 0 of the {total} rows in invoice"
    changed = follow(nobody, "a bulk update without WHERE", sender)
    assert rows_of(changed) == f"204: wrote {own} of the {total} rows in invoice"
    nothing = follow(nobody, "a bulk update without WHERE", "an attacker")
    assert rows_of(nothing) == f"204: wrote 0 of the {total} rows in invoice"
    added = follow(nobody, "a new invoice", sender)
    assert rows_of(added) == f"201: wrote 1 of the {total + 1} rows in invoice"
    assert len(read_contents(database).invoices_of(sender)) == own + 1


@pytest.mark.parametrize(
    ("request_", "sender", "step", "code"),
    [
        ("its invoices", "no tenant", "Middleware", "400 tenant_missing"),
        ("its invoices", "both at once", "Middleware", "400 tenant_malformed"),
        ("a new row under another tenant", "acme", "Session", "403 cross_tenant"),
        ("an own row handed to another", "globex", "Session", "403 cross_tenant"),
        ("an invoice to another's customer", "acme", "Statement", "403 cross_tenant"),
        ("raw SQL", "acme", "Statement", "500 statement_unguarded"),
        ("no tenant, on an exempt path", "no tenant", "Statement", "500 tenant_not_in_scope"),
    ],
)
def test_a_refusal_is_drawn_where_it_happened(
    nobody: httpx.Client, request_: str, sender: str, step: str, code: str
) -> None:
    steps = follow(nobody, request_, sender).steps
    states = [state for state, _ in steps.values()]
    at = [*steps].index(step)
    assert states == ["passed"] * at + ["stopped"] + ["skipped"] * (5 - at)
    assert steps[step][1].startswith(f"refused: {code} ")


def test_an_attackers_tenant_is_text_and_a_parameter_and_has_no_rows(
    nobody: httpx.Client,
) -> None:
    seen = follow(nobody, "its invoices", "an attacker")
    assert "<b>acme" not in seen.page
    assert seen.steps["Middleware"] == ("passed", "the resolver found <b>acme</b>' OR '1'='1")
    assert rows_of(seen).startswith("200: read 0 of the ")
    assert literals(seen.statements[0].values) == ["<b>acme</b>' OR '1'='1"]


def test_all_text_is_escaped() -> None:
    hostile = '<img src=x onerror=alert(1)>&"'
    statement = Statement(
        construct=text(hostile),
        written=SQL(hostile),
        sent=SQL(f"{hostile} = ?", [hostile]),
        parameters=[hostile],
    )
    for problem in (None, {"code": hostile, "detail": hostile}):
        trace = Trace(
            line=hostile,
            senders=[hostile],
            recording=Recording(has_arrived=True, tenant_id=hostile, statements=[statement]),
            status=200,
            problem=problem,
            rows_in_answer=1,
            rows_in_table=1,
        )
        html = section([hostile], [hostile], (hostile, hostile), trace)
        assert "<img" not in html
        assert "&<" not in html
        assert html.count("&lt;img src=x onerror=alert(1)&gt;&amp;&quot;") >= 7


@pytest.mark.parametrize(
    "chosen",
    [{"request": "<b>"}, {"sender": "<b>"}, {"request": "its invoices", "sender": "acme "}],
)
def test_what_cannot_be_chosen_is_refused(nobody: httpx.Client, chosen: dict[str, str]) -> None:
    response = nobody.post("/", data=chosen)
    assert (response.status_code, response.text) == (422, "There is no such request or tenant.")


def test_without_the_guard_nothing_is_marked_and_all_rows_are_read(tmp_path: Path) -> None:
    database = tmp_path / "invoices.sqlite3"
    with (
        serving(
            "examples.invoices.tests.unguarded",
            "starlette",
            environ={"INVOICES_DATABASE": str(database)},
        ) as address,
        httpx.Client(base_url=address, trust_env=False) as client,
    ):
        seen = follow(client, "its invoices", "acme")
    assert rows_of(seen) == "200: read 7 of the 7 rows in invoice"
    (statement,) = seen.statements
    assert statement.sent == statement.written
    assert statement.values == ""
