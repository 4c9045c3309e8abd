from __future__ import annotations

from flask_login import UserMixin
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .database import db


class Company(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)

    def __str__(self) -> str:
        return self.name


class User(UserMixin, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[int] = mapped_column(ForeignKey("company.id"))
    email: Mapped[str] = mapped_column(String(200), unique=True)
    password_hash: Mapped[str]
    is_staff: Mapped[bool] = mapped_column(default=False)
    company: Mapped[Company] = relationship()

    def __str__(self) -> str:
        return self.email


class Supplier(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[int] = mapped_column(ForeignKey("company.id"))
    name: Mapped[str] = mapped_column(String(100))

    def __str__(self) -> str:
        return self.name


class Item(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    company_id: Mapped[int] = mapped_column(ForeignKey("company.id"))
    supplier_id: Mapped[int] = mapped_column(ForeignKey("supplier.id"))
    name: Mapped[str] = mapped_column(String(100))
    price: Mapped[int]
    stock: Mapped[int] = mapped_column(default=0)
    supplier: Mapped[Supplier] = relationship()

    def __str__(self) -> str:
        return self.name

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "name": self.name,
            "price": self.price,
            "stock": self.stock,
            "supplier": self.supplier.name,
        }


class Order(db.Model):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    quantity: Mapped[int]
    note: Mapped[str] = mapped_column(default="")
    item: Mapped[Item] = relationship()

    def as_json(self) -> dict[str, object]:
        return {"id": self.id, "item": self.item.name, "quantity": self.quantity, "note": self.note}
