"""Pages with Flask-Admin: for each company at /manage, and for our own staff at /admin."""

from flask import Flask, abort
from flask_admin import Admin, AdminIndexView
from flask_admin.contrib.sqla import ModelView
from flask_login import current_user

from .database import db
from .models import Company, Item, Supplier, User


class OwnView(ModelView):
    """What a company sees of its own rows."""

    can_view_details = True
    can_export = True
    form_excluded_columns = ["company_id"]

    def is_accessible(self) -> bool:
        return current_user.is_authenticated

    def inaccessible_callback(self, name: str, **kwargs: object) -> None:
        abort(401)

    def get_query(self):
        return super().get_query().filter_by(company_id=current_user.company_id)

    def on_model_change(self, form, model, is_created: bool) -> None:
        if is_created:
            model.company_id = current_user.company_id


class ItemView(OwnView):
    column_list = ["name", "supplier", "price", "stock"]
    column_searchable_list = ["name"]


class SupplierView(OwnView):
    column_list = ["name"]


class StaffView(ModelView):
    """What our own staff sees of all companies' rows."""

    can_create = False
    can_export = True

    def is_accessible(self) -> bool:
        return current_user.is_authenticated and current_user.is_staff

    def inaccessible_callback(self, name: str, **kwargs: object) -> None:
        abort(403)


class UserView(StaffView):
    column_list = ["email", "company", "is_staff"]
    form_columns = ["email", "is_staff"]


def add_to(app: Flask) -> None:
    index = AdminIndexView(url="/manage", endpoint="manage")
    manage = Admin(app, "Manage", index_view=index, url="/manage", endpoint="manage")
    manage.add_view(ItemView(Item, db, endpoint="manage_item", url="item"))
    manage.add_view(SupplierView(Supplier, db, endpoint="manage_supplier", url="supplier"))
    staff = Admin(app, "Staff", url="/admin", endpoint="admin")
    staff.add_view(StaffView(Company, db))
    staff.add_view(UserView(User, db))
