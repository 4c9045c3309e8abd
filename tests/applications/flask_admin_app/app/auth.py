from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required, login_user, logout_user
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from werkzeug.security import check_password_hash, generate_password_hash

from .database import db, login_manager
from .models import Company, User

METHOD = "pbkdf2:sha256:1000"

auth = Blueprint("auth", __name__)


@login_manager.user_loader
def load_user(user_id: str) -> User | None:
    return db.session.get(User, int(user_id))


@auth.post("/register")
def register() -> ResponseReturnValue:
    company = Company(name=request.form["company"])
    hashed = generate_password_hash(request.form["password"], METHOD)
    user = User(company=company, email=request.form["email"], password_hash=hashed)
    db.session.add(user)
    try:
        db.session.commit()
    except IntegrityError:
        abort(409, "The name or the address is taken.")
    login_user(user)
    return jsonify(id=user.id), 201


@auth.post("/login")
def log_in() -> ResponseReturnValue:
    user = db.session.scalar(select(User).where(User.email == request.form["email"]))
    if user is None or not check_password_hash(user.password_hash, request.form["password"]):
        abort(401, "Wrong address or password.")
    login_user(user)
    return jsonify(id=user.id)


@auth.post("/logout")
@login_required
def log_out() -> ResponseReturnValue:
    logout_user()
    return "", 204


@auth.get("/me")
@login_required
def me() -> ResponseReturnValue:
    return jsonify(id=current_user.id, email=current_user.email, company=current_user.company.name)
