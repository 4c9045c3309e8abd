"""Recognize types that write a value into a statement as a literal and as nothing else."""

from __future__ import annotations

from typing import Any

from sqlalchemy.types import TypeDecorator

__all__ = ["renders_safely"]


def renders_safely(type_: Any) -> bool:
    """Return whether SQLAlchemy itself writes the values of ``type_`` into a statement.

    What a type of the application's own writes may be any SQL. With ``literal_execute=True`` that
    comes into the statement only when it is executed.
    """
    while isinstance(type_, TypeDecorator):
        kind = type(type_)
        if (
            kind.literal_processor is not TypeDecorator.literal_processor
            or kind.process_literal_param is not TypeDecorator.process_literal_param
        ):
            return False
        type_ = type_.impl_instance
    return type(type_).__module__.startswith("sqlalchemy.")
