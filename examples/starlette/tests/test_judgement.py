"""The demonstration's judgement detects failures."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from examples.invoices.attempts import Attempt
from examples.invoices.contents import Contents
from examples.starlette.caller import Caller
from examples.starlette.judgement import Answer, Verdict, judge

CONTENTS = Contents(
    invoices={
        1: {"tenant_id": "acme", "number": "A-1", "customer_id": 1, "amount": 10},
        2: {"tenant_id": "globex", "number": "G-1", "customer_id": 2, "amount": 20},
    },
    customers={
        1: {"tenant_id": "acme", "name": "Kowalski & Co"},
        2: {"tenant_id": "globex", "name": "Sirius <Shipping>"},
    },
)
ACME = Caller("acme", "globex", CONTENTS)
LIST = Attempt("a list", "", "GET", "/invoices", 200, shows="numbers")
CHANGE = Attempt("a change", "", "POST", "/change", 204, changes=True)


def answer(text: str, status: int = 200, *, is_problem: bool = False) -> Answer:
    return Answer(status, is_problem, text)


def with_invoice(invoice_id: int, **changes: object) -> Contents:
    row = {**CONTENTS.invoices.get(invoice_id, {}), **changes}
    return replace(CONTENTS, invoices={**CONTENTS.invoices, invoice_id: row})


def judged(attempt: Attempt, given: Answer, after: Contents = CONTENTS) -> Verdict:
    return judge(attempt, ACME, given, after)


def test_own_rows_and_no_others_are_clean() -> None:
    verdict = judged(LIST, answer('[{"number": "A-1"}]'))
    assert verdict == Verdict("200, 1 own")
    assert verdict.is_clean


@pytest.mark.parametrize("text", ["A-1 G-1", "Sirius <Shipping>", "Sirius &lt;Shipping&gt;"])
def test_anything_of_the_other_tenants_in_the_answer_has_crossed(text: str) -> None:
    assert judged(LIST, answer(text)).crossed


@pytest.mark.parametrize(
    "after",
    [
        with_invoice(2, amount=21),
        with_invoice(2, tenant_id="acme"),
        with_invoice(1, tenant_id="globex"),
        with_invoice(3, tenant_id="globex", customer_id=2),
        with_invoice(3, tenant_id="acme", customer_id=2),
        replace(CONTENTS, invoices={1: CONTENTS.invoices[1]}),
    ],
    ids=["changed", "taken", "given", "added", "referred-to", "deleted"],
)
def test_a_write_that_reaches_the_other_tenant_has_crossed(after: Contents) -> None:
    assert judged(CHANGE, answer("", 204), after).crossed


def test_an_expected_change_to_own_rows_is_clean() -> None:
    assert judged(CHANGE, answer("", 204), with_invoice(1, amount=11)).is_clean
    assert not judged(CHANGE, answer("", 204)).is_clean
    assert not judged(LIST, answer("A-1"), with_invoice(1, amount=11)).is_clean


def test_seeing_too_little_is_not_clean() -> None:
    assert not judged(LIST, answer("[]")).is_clean


def test_a_crash_does_not_count_as_a_refusal() -> None:
    refused = replace(LIST, expected=500, shows=None)
    assert judged(refused, answer("", 500, is_problem=True)).is_clean
    verdict = judged(refused, answer("Internal Server Error", 500))
    assert (verdict.got, verdict.is_clean) == ("500 crashed", False)


@pytest.mark.parametrize("tenants", ["none", "both"])
def test_a_request_with_no_tenant_or_two_may_see_no_rows(
    tenants: Literal["none", "both"],
) -> None:
    attempt = replace(LIST, shows=None, tenants=tenants)
    assert judged(attempt, answer("A-1")).crossed
    assert judged(attempt, answer("G-1")).crossed
