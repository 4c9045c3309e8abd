"""The pages of our own support, at /admin."""

import hmac
import os

from fastapi import FastAPI, Request
from sqladmin import Admin, ModelView
from sqladmin.authentication import AuthenticationBackend

from .database import engine
from .models import Organization, Project, User


class Support(AuthenticationBackend):
    async def login(self, request: Request) -> bool:
        form = await request.form()
        given = str(form["password"])
        if not hmac.compare_digest(given.encode(), os.environ["SUPPORT_PASSWORD"].encode()):
            return False
        request.session["support"] = str(form["username"])
        return True

    async def logout(self, request: Request) -> bool:
        request.session.clear()
        return True

    async def authenticate(self, request: Request) -> bool:
        return "support" in request.session


class OrganizationView(ModelView, model=Organization):
    column_list = ["id", "name"]
    column_searchable_list = ["name"]


class UserView(ModelView, model=User):
    column_list = ["id", "email", "role", "organization_id"]
    form_columns = ["email", "role"]
    can_create = False


class ProjectView(ModelView, model=Project):
    column_list = ["id", "name", "budget", "organization_id"]
    form_columns = ["name", "budget"]
    can_create = False


def add_admin(app: FastAPI) -> None:
    admin = Admin(app, engine, authentication_backend=Support(secret_key=os.environ["SECRET_KEY"]))
    for view in (OrganizationView, UserView, ProjectView):
        admin.add_view(view)
