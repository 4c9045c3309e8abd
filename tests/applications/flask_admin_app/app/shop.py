from collections.abc import Iterator

from flask import Blueprint, Response, abort, jsonify, request, stream_with_context
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required
from sqlalchemy import func, or_, select
from sqlalchemy.orm import joinedload

from .database import db
from .models import Item, Order, Supplier

shop = Blueprint("shop", __name__)


@shop.before_request
@login_required
def only_with_a_user() -> None:
    """Everything here is for users."""


@shop.get("/suppliers")
def list_suppliers() -> ResponseReturnValue:
    found = Supplier.query.filter_by(company_id=current_user.company_id).order_by(Supplier.id)
    return jsonify([{"id": each.id, "name": each.name} for each in found])


@shop.post("/suppliers")
def add_supplier() -> ResponseReturnValue:
    supplier = Supplier(company_id=current_user.company_id, name=request.form["name"])
    db.session.add(supplier)
    db.session.commit()
    return jsonify(id=supplier.id), 201


@shop.get("/suppliers/<int:supplier_id>/items")
def list_items_of_supplier(supplier_id: int) -> ResponseReturnValue:
    found = Item.query.filter_by(supplier_id=supplier_id).order_by(Item.id)
    return jsonify([each.as_json() for each in found])


@shop.get("/items")
def list_items() -> ResponseReturnValue:
    query = select(Item).order_by(Item.id).options(joinedload(Item.supplier))
    if search := request.args.get("search"):
        matches = Item.name.contains(search), Item.supplier.has(Supplier.name.contains(search))
        query = query.where(or_(*matches))
    else:
        query = query.where(Item.company_id == current_user.company_id)
    return jsonify([each.as_json() for each in db.session.scalars(query)])


@shop.post("/items")
def add_item() -> ResponseReturnValue:
    supplier = db.session.get(Supplier, int(request.form["supplier_id"]))
    if supplier is None:
        abort(404)
    item = Item(
        company_id=current_user.company_id,
        supplier=supplier,
        name=request.form["name"],
        price=int(request.form["price"]),
        stock=int(request.form.get("stock", 0)),
    )
    db.session.add(item)
    db.session.commit()
    return jsonify(item.as_json()), 201


@shop.get("/items/<int:item_id>")
def get_item(item_id: int) -> ResponseReturnValue:
    return jsonify(db.get_or_404(Item, item_id).as_json())


@shop.post("/items/<int:item_id>/price")
def change_price(item_id: int) -> ResponseReturnValue:
    item = Item.query.filter_by(id=item_id, company_id=current_user.company_id).first_or_404()
    item.price = int(request.form["price"])
    db.session.commit()
    return jsonify(item.as_json())


@shop.post("/items/discount")
def discount() -> ResponseReturnValue:
    """Make everything cheaper that a supplier delivers."""
    of_supplier = Item.query.filter_by(supplier_id=int(request.form["supplier_id"]))
    changed = of_supplier.update({Item.price: Item.price - int(request.form["amount"])})
    db.session.commit()
    return jsonify(changed=changed)


@shop.delete("/items/<int:item_id>")
def delete_item(item_id: int) -> ResponseReturnValue:
    Order.query.filter_by(item_id=item_id).delete()
    db.session.delete(db.get_or_404(Item, item_id))
    db.session.commit()
    return "", 204


@shop.get("/orders")
def list_orders() -> ResponseReturnValue:
    found = Order.query.order_by(Order.id.desc()).limit(50)
    return jsonify([each.as_json() for each in found])


@shop.post("/orders")
def add_order() -> ResponseReturnValue:
    order = Order(
        item_id=int(request.form["item_id"]),
        quantity=int(request.form["quantity"]),
        note=request.form.get("note", ""),
    )
    db.session.add(order)
    db.session.commit()
    return jsonify(id=order.id), 201


@shop.get("/orders.csv")
def export_orders() -> ResponseReturnValue:
    def lines() -> Iterator[str]:
        yield "item,quantity,note\n"
        for order in db.session.scalars(select(Order).order_by(Order.id)):
            yield f"{order.item.name},{order.quantity},{order.note}\n"

    return Response(stream_with_context(lines()), mimetype="text/csv")


@shop.get("/report")
def report() -> ResponseReturnValue:
    value = db.session.scalar(select(func.coalesce(func.sum(Item.price * Item.stock), 0)))
    best = db.session.execute(
        select(Item.name, func.sum(Order.quantity).label("sold"))
        .join(Order.item)
        .group_by(Item.id)
        .order_by(func.sum(Order.quantity).desc(), Item.id)
        .limit(3)
    )
    return jsonify(value=value, best=[{"item": row.name, "sold": row.sold} for row in best])
