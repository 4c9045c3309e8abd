"""Flask-SQLAlchemy, over the models that the examples share."""

from __future__ import annotations

from flask_sqlalchemy import SQLAlchemy

from examples.invoices.models import Base

__all__ = ["db"]

db = SQLAlchemy(model_class=Base)
