"""The allowed requests of the demonstration."""

from __future__ import annotations

from typing import Final

from examples.invoices.attempts import Attempt

__all__ = ["VIEWS"]

VIEWS: Final = (
    Attempt("its invoices", "", "GET", "/invoices", 200, shows="numbers"),
    Attempt("its invoices as a stream", "", "GET", "/invoices/export", 200, shows="numbers"),
    Attempt("its invoices as a page", "", "GET", "/page", 200, shows="numbers"),
    Attempt("its customers", "", "GET", "/customers", 200, shows="names"),
    Attempt("one invoice of its own", "", "GET", "/invoices/{my_invoice}", 200),
    Attempt(
        "a new invoice",
        "",
        "POST",
        "/invoices",
        201,
        body={
            "number": "{new_number}",
            "customer_id": "{my_customer}",
            "currency_code": "EUR",
            "amount": "{new_amount}",
        },
        changes=True,
    ),
    Attempt(
        "a change to its own invoice",
        "",
        "PATCH",
        "/invoices/{my_invoice}",
        200,
        body={"amount": "{new_amount}"},
        changes=True,
    ),
    Attempt("the currencies, which all share", "", "GET", "/currencies", 200),
)
