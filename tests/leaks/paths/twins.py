"""A second declaration of a tenants' table, in a MetaData of its own."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, MetaData, String, Table, select

from tests.leaks.catalogue import path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models


@path("twin: a shared twin of the table, of another MetaData")
def _(hand: Hand, m: Models) -> Any:
    twin = hand.shared(Table("acct_invoice", MetaData(), Column("note", String(80))))
    return hand.session.scalars(select(twin.c.note)).all()


@path("twin: a reflected twin of the table, declared as shared")
def _(hand: Hand, m: Models) -> Any:
    twin = hand.shared(Table("acct_invoice", MetaData(), autoload_with=hand.engine))
    return hand.session.scalars(select(twin.c.note)).all()
