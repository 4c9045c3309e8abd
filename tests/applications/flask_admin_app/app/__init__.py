"""Stock and orders of small shops."""

import os

from flask import Flask

from . import auth, commands, pages, shop
from .database import db, login_manager


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
    db.init_app(app)
    login_manager.init_app(app)
    app.register_blueprint(auth.auth)
    app.register_blueprint(shop.shop)
    pages.add_to(app)
    app.cli.add_command(commands.low_stock)
    with app.app_context():
        db.create_all()
    return app
