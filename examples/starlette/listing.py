"""One tenant's invoices as HTML that the server renders."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from examples.invoices.models import Invoice

__all__ = ["amount_text", "invoices_listed"]


def amount_text(amount: int) -> str:
    """Return an amount in hundredths in the form ``1,234.50``."""
    whole, hundredths = divmod(amount, 100)
    return f"{whole:,}.{hundredths:02}"


def invoices_listed(tenant_id: str, invoices: Sequence[Invoice]) -> str:
    """Return the page of one tenant.

    Args:
        tenant_id: the tenant that the invoices belong to.
        invoices: the invoices, with their customers loaded.
    """
    rows = "\n".join(_row(invoice) for invoice in invoices)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Invoices of {escape(tenant_id)}</title>
<h1>Invoices of {escape(tenant_id)}</h1>
<table>
<thead><tr><th>Number<th>Customer<th>Amount<th>State</tr></thead>
<tbody>
{rows}
</tbody>
</table>
"""


def _row(invoice: Invoice) -> str:
    return (
        f"<tr><td>{escape(invoice.number)}"
        f"<td>{escape(invoice.customer.name)}"
        f"<td>{amount_text(invoice.amount)} {escape(invoice.currency_code)}"
        f"<td>{'paid' if invoice.paid else 'open'}</tr>"
    )
