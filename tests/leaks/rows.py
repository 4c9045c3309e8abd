"""What the two tenants' tables hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from sqlalchemy import Table

from .effects import LONG_KEY, LONG_TENANT
from .schema import MY_TOKEN, THEIR_TOKEN, Models
from .shared_rows import EVERYBODY, MODELS

__all__ = ["MY_SHOP", "THEIR_SHOP", "Content", "Row", "seed", "table_of"]

MY_SHOP: Final = 7
THEIR_SHOP: Final = 2**31 - 1
"""The largest that the column holds."""

Row: TypeAlias = dict[str, Any]
Content: TypeAlias = dict[str, list[Row]]
"""The rows of each table, by the table's full name."""

_SEED: Final[Mapping[str, tuple[str, list[tuple[Any, ...]]]]] = {
    "Currency": ("code, name", [("EUR", "Euro"), ("USD", "Dollar")]),
    "Customer": (
        "id, own, name, credit",
        [
            (1, 0, "own ada", 10),
            (2, 0, "own alan", 20),
            (900, 0, "own abel", 30),
            (401, 1, "bravo bob", 77001),
            (402, 1, "bravo bea", 77002),
        ],
    ),
    "Category": (
        "id, own, parent_id, title",
        [
            (1, 0, None, "own root"),
            (2, 0, 1, "own child"),
            (900, 0, 2, "own leaf"),
            (401, 1, None, "bravo root"),
            (402, 1, 401, "bravo child"),
        ],
    ),
    "Tag": (
        "id, own, slug, label",
        [
            (1, 0, "own-urgent", "own urgent"),
            (900, 0, "own-late", "own late"),
            (401, 1, "bravo-urgent", "bravo urgent"),
        ],
    ),
    "Invoice": (
        "id, own, customer_id, category_id, reference, note, amount, private",
        [
            (1, 0, 1, 1, "R-1", "own first", 10, "own private one"),
            (2, 0, 1, None, "R-2", "own second", 20, "own private two"),
            (900, 0, 2, 2, "R-3", "own third", 30, "own private three"),
            (401, 1, 401, 401, "R-1", "bravo hidden", 77010, "bravo private"),
            (402, 1, 402, None, "R-2", "bravo covert", 77020, "bravo private too"),
        ],
    ),
    "invoice_tag": ("invoice_id, tag_id", [(1, 1), (900, 900), (401, 401)]),
    "InvoiceLine": (
        "id, invoice_id, text, quantity, price",
        [
            (1, 1, "own line", 1, "7"),
            (2, 2, "own second line", 2, "3"),
            (900, 900, "own third line", 3, "9"),
            (401, 401, "bravo line", 77100, "bravo 77100"),
            (402, 402, "bravo second line", 77200, "bravo 77200"),
        ],
    ),
    "LineNote": (
        "id, line_id, text",
        [(1, 1, "own scribble"), (900, 2, "own scrawl"), (401, 401, "bravo scribble")],
    ),
    "Payment": (
        "id, own, invoice_id, kind, memo",
        [
            (1, 0, 1, "plain", "own memo"),
            (2, 0, 1, "card", "own card memo"),
            (900, 0, None, "card", "own spare memo"),
            (401, 1, 401, "plain", "bravo memo"),
            (402, 1, 402, "card", "bravo card memo"),
        ],
    ),
    "CardPayment": ("id, card", [(2, "own 4111"), (900, "own 4000"), (402, "bravo 4222")]),
    "Party": (
        "id, own, kind, name, vat",
        [
            (1, 0, "party", "own pat", None),
            (2, 0, "company", "own company", "own vat"),
            (900, 0, "company", "own concern", "own other vat"),
            (401, 1, "party", "bravo pat", None),
            (402, 1, "company", "bravo company", "bravo vat"),
        ],
    ),
    "Site": (
        "id, own, name",
        [(1, 0, "own site"), (900, 0, "own other site"), (401, 1, "bravo site")],
    ),
    "Warehouse": (
        "id, own, name, capacity",
        [(2, 0, "own warehouse", 5), (901, 0, "own shed", 6), (402, 1, "bravo depot", 77300)],
    ),
    "Rate": (
        "own, code, percent, remark",
        [
            (0, "std", 19, "own standard"),
            (0, "low", 7, "own reduced"),
            (1, "std", 77019, "bravo standard"),
            (1, "top", 77025, "bravo raised"),
        ],
    ),
    "Record": (
        "id, own, body",
        [(1, 0, "own record"), (900, 0, "own old record"), (401, 1, "bravo record")],
    ),
    "Token": (
        "id, own, secret",
        [(MY_TOKEN, 0, "own token"), (THEIR_TOKEN, 1, "bravo token")],
    ),
    "Entry": (
        "Entry No, own, Posted Text",
        [(1, 0, "own entry"), (900, 0, "own last entry"), (401, 1, "bravo entry")],
    ),
    "Account": (
        "id, own, name",
        [(1, 0, "own account"), (900, 0, "own spare account"), (401, 1, "bravo account")],
    ),
    "Posting": (
        "id, own, account_id, text",
        [(1, 0, 1, "own posting"), (900, 0, 1, "own reversal"), (401, 1, 401, "bravo posting")],
    ),
    "Member": (
        "id, org_id, name",
        [(1, "alfa", "own ann"), (900, "alfa", "own al"), (401, "bravo", "bravo ben")],
    ),
    "note": (
        "id, own, body",
        [(1, 0, "own note"), (900, 0, "own other note"), (401, 1, "bravo note")],
    ),
    "Unit": ("code, name", [("pc", "Piece"), ("kg", "Kilo"), ("lb", "Pound")]),
    "Price": (
        "id, own, unit, label",
        [
            (1, 0, "pc", "own price"),
            (900, 0, "kg", "own other price"),
            (401, 1, "pc", "bravo price"),
            (402, 1, "lb", "bravo other price"),
        ],
    ),
    "Part": (
        "id, own, code, label",
        [(1, 0, "A", "own part"), (900, 0, "B", "own other part"), (401, 1, "A", "bravo part")],
    ),
    "Stock": (
        "id, own, part_code, label",
        [(1, 0, "A", "own stock"), (900, 0, None, "own rest"), (401, 1, "A", "bravo stock")],
    ),
    "Featured": (
        "id, invoice_id, customer_id, headline",
        [(1, 1, 1, "first"), (2, 401, 401, "second")],
    ),
    "Node": (
        "id, own, parent_id, code",
        [(1, 0, None, "own-one"), (2, 0, 1, "own-two"), (401, 1, None, "bravo-one")],
    ),
    "Sample": (
        "id, own, base, customer_id, label",
        [(1, 0, 1, 1, "own sample"), (900, 0, 2, 2, "own rest"), (401, 1, 401, 401, "bravo one")],
    ),
    "Errand": (
        "id, own, account_id, text",
        [(1, 0, 1, "own errand"), (2, 0, 1, "own walk"), (401, 1, 401, "bravo errand")],
    ),
    "Document": ("id, title", [(1, "Terms"), (2, "Prices")]),
    "Contract": (
        "id, own, title",
        [(3, 0, "own contract"), (900, 0, "own lease"), (401, 1, "bravo contract")],
    ),
    "Slot": (
        "id, own, code, label",
        [(1, 0, "own-am", "own morning"), (401, 1, "bravo-am", "bravo morning")],
    ),
    "Shelf": (
        "code, own, title",
        [("Key", 0, "own shelf"), ("Low", 0, "own low shelf"), ("KEY", 1, "bravo shelf")],
    ),
    "Book": (
        "id, shelf_code, title",
        [(1, "Key", "own book"), (900, "Low", "own guide"), (401, "KEY", "bravo book")],
    ),
    "Booking": (
        "id, own, begins, ends, label",
        [(1, 0, 1, 5, "own booking"), (401, 1, 1000, 2000, "bravo booking")],
    ),
    "Provider": (
        "id, own, name",
        [
            (1, None, "anyone's provider"),
            (3, None, "anyone's spare provider"),
            (2, 0, "own provider"),
            (900, 0, "own late provider"),
            (401, 1, "bravo provider"),
        ],
    ),
    "Template": (
        "id, own, name",
        [
            (1, EVERYBODY, "anyone's template"),
            (3, EVERYBODY, "anyone's spare template"),
            (2, 0, "own template"),
            (900, 0, "own late template"),
            (401, 1, "bravo template"),
        ],
    ),
    "Offer": (
        "id, provider_id, name",
        [
            (1, 1, "anyone's offer"),
            (3, 1, "anyone's spare offer"),
            (2, 2, "own offer"),
            (900, 900, "own late offer"),
            (401, 401, "bravo offer"),
        ],
    ),
    "Trial": (
        "id, provider_id, template_id, name",
        [
            (1, 1, 1, "anyone's trial"),
            (3, 1, 1, "anyone's spare trial"),
            (2, 2, 2, "own trial"),
            (900, 900, 900, "own late trial"),
            (401, 401, 401, "bravo trial"),
            (402, 1, 401, "bravo second trial"),
            (403, 401, 1, "bravo third trial"),
        ],
    ),
    "TrialNote": (
        "id, trial_id, name",
        [
            (1, 1, "anyone's trial note"),
            (3, 1, "anyone's spare trial note"),
            (2, 2, "own trial note"),
            (900, 900, "own late trial note"),
            (401, 401, "bravo trial note"),
            (402, 402, "bravo second trial note"),
            (403, 403, "bravo third trial note"),
        ],
    ),
    "Talk": (
        "id, own, name, provider_id, template_id",
        [
            (1, 0, "own talk", 1, 1),
            (900, 0, "own late talk", 2, None),
            (401, 1, "bravo talk", 1, 1),
        ],
    ),
    "Badge": (
        "id, org_id, name",
        [(1, "alfa", "own badge"), (401, "bravo", "bravo badge")],
    ),
    "Counter": (
        "id, shop_no, name",
        [(1, MY_SHOP, "own counter"), (401, THEIR_SHOP, "bravo counter")],
    ),
    "Shade": (
        "code, own, label",
        [("red ", 0, "own red"), ("tan", 0, "own tan"), ("red", 1, "bravo red")],
    ),
    "Paint": (
        "id, own, shade_code, label",
        [(1, 0, "tan", "own paint"), (900, 0, None, "own rest"), (401, 1, "red", "bravo paint")],
    ),
    "Scroll": (
        f"id, {LONG_TENANT}, {LONG_KEY}, body",
        [
            (1, "alfa", 1, "own scroll"),
            (900, "alfa", None, "own rest"),
            (401, "bravo", 401, "bravo"),
        ],
    ),
    "Device": (
        "id, org_uuid, name",
        [(1, MY_TOKEN.hex, "own phone"), (401, THEIR_TOKEN.hex, "bravo phone")],
    ),
}


def table_of(m: Models, name: str) -> Table:
    found = getattr(m, name)
    table: Table = found if isinstance(found, Table) else found.__table__
    return table


def seed(m: Models, mine: Any, theirs: Any) -> Content:
    """Return the rows of every table, as the databases hold them."""
    content: Content = {}
    for name, (columns, rows) in _SEED.items():
        if name in MODELS and not hasattr(m, name):
            continue
        table = table_of(m, name)
        keys = [m.key if word == "own" else word for word in columns.split(", ")]
        own = keys.index(m.key) if m.key in keys else None
        content[table.fullname] = [
            {
                key: ((mine, theirs)[value] if index == own and isinstance(value, int) else value)
                for index, (key, value) in enumerate(zip(keys, row, strict=True))
            }
            for row in rows
        ]
    return content
