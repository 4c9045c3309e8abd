"""The sender of the demonstration's requests, and the values in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from examples.invoices.attempts import Attempt
from examples.invoices.contents import Contents

__all__ = ["Caller"]


@dataclass(frozen=True)
class Caller:
    """The sending tenant, the attacked tenant, and the contents of the database, which the
    attacker is assumed to know.
    """

    tenant_id: str
    other_id: str
    contents: Contents

    @property
    def values(self) -> dict[str, str | int]:
        return {
            "me": self.tenant_id,
            "them": self.other_id,
            "my_invoice": min(self.contents.invoices_of(self.tenant_id)),
            "their_invoice": min(self.contents.invoices_of(self.other_id)),
            "my_customer": min(self.contents.customers_of(self.tenant_id)),
            "their_customer": min(self.contents.customers_of(self.other_id)),
            "new_number": f"NEW-{len(self.contents.invoices) + 1}",
            "new_amount": self._unused_amount,
        }

    @property
    def _unused_amount(self) -> int:
        amounts = [row["amount"] for row in self.contents.invoices.values()]
        return 1 + max(amount for amount in amounts if isinstance(amount, int))

    def path(self, attempt: Attempt) -> str:
        return attempt.path.format_map(self.values)

    def body(self, attempt: Attempt) -> dict[str, Any] | None:
        if attempt.body is None:
            return None
        values = {f"{{{name}}}": value for name, value in self.values.items()}
        return {name: values.get(text, text) for name, text in attempt.body.items()}
