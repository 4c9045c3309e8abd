"""The HTML: one page with a tenant's invoices, and a start page that shows two of them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from string import Template
from typing import Final

from .models import Invoice

__all__ = ["START_PAGE", "amount_text", "invoices_page"]

_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; }
h1 { font-size: 1.4rem; margin: .5rem 0; }
p { margin: .5rem 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8886; padding: .4rem .6rem; text-align: left; }
th { font-weight: 600; }
.number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
.paid, .open { border-radius: 1rem; font-size: .85rem; padding: .1rem .6rem; }
.paid { background: #1a7f3722; }
.open { background: #bf870033; }
.panels { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); }
.panels section { border: 1px solid #8886; border-radius: .5rem; padding: 1rem; }
input, button { font: inherit; padding: .25rem .5rem; }
iframe { border: 0; height: 28rem; margin-top: 1rem; width: 100%; }
"""

_DOCUMENT: Final = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
$body
</body>
</html>
"""
)


def amount_text(amount: int) -> str:
    """Return an amount in hundredths as people write it: ``1,234.50``."""
    whole, hundredths = divmod(amount, 100)
    return f"{whole:,}.{hundredths:02}"


def invoices_page(tenant_id: str, invoices: Sequence[Invoice]) -> str:
    """Return the page of one tenant.

    Args:
        tenant_id: the tenant whom the invoices belong to.
        invoices: with their customers loaded.
    """
    rows = "\n".join(_row(invoice) for invoice in invoices)
    counted = "1 invoice" if len(invoices) == 1 else f"{len(invoices)} invoices"
    body = f"""<main>
<h1>Invoices of {escape(tenant_id)}</h1>
<p>{counted}</p>
<table>
<thead><tr><th>Number<th>Customer<th class="number">Amount<th>State</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</main>"""
    return _DOCUMENT.substitute(title=f"Invoices of {escape(tenant_id)}", style=_STYLE, body=body)


def _row(invoice: Invoice) -> str:
    state = "paid" if invoice.paid else "open"
    return (
        f"<tr><td>{escape(invoice.number)}"
        f"<td>{escape(invoice.customer.name)}"
        f'<td class="number">{amount_text(invoice.amount)} {escape(invoice.currency_code)}'
        f'<td><span class="{state}">{state}</span></tr>'
    )


def _panel(tenant_id: str) -> str:
    return f"""<section>
<form><label>Tenant <input name="tenant" value="{escape(tenant_id)}" required></label>
<button>Show</button></form>
<iframe sandbox title="The page of {escape(tenant_id)}"></iframe>
</section>"""


# A browser sends no header of its own accord, so a script asks for each tenant's page.
_SCRIPT: Final = """
const show = async (form) => {
  const frame = form.parentElement.querySelector("iframe");
  const tenant = form.elements.tenant.value;
  frame.title = `The page of ${tenant}`;
  try {
    const answer = await fetch("/page", {headers: {"X-Tenant-ID": tenant}});
    frame.srcdoc = answer.ok ? await answer.text() : `<p>Refused: ${answer.status}</p>`;
  } catch {
    frame.srcdoc = "<p>The server did not answer, or the name cannot stand in a header.</p>";
  }
};
for (const form of document.forms) {
  form.addEventListener("submit", (event) => { event.preventDefault(); show(form); });
  show(form);
}
"""

START_PAGE: Final = _DOCUMENT.substitute(
    title="Two tenants, one database",
    style=_STYLE,
    body=f"""<main>
<h1>Two tenants, one database</h1>
<p>Each panel is the same page of the same server, asked for with another
<code>X-Tenant-ID</code>.</p>
<div class="panels">
{_panel("acme")}
{_panel("globex")}
</div>
</main>
<script>{_SCRIPT}</script>""",
)
