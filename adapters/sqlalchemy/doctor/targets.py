"""Finds what is to be examined: the tables that ``module:attribute`` names, the database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, TypeVar
from urllib.parse import quote, quote_plus

from sqlalchemy import URL, MetaData, create_engine, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from ..errors import ConfigurationError

__all__ = ["label_of", "metadata_at", "run_on", "url_of", "without_secrets"]

T = TypeVar("T")

_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s'\"]*:[^@\s'\"]*@")


def metadata_at(target: str) -> MetaData:
    """Return the tables that ``target`` names.

    Args:
        target: ``module:attribute``, as in ``myapp.models:Base``. The attribute, which may
            have dots, is a ``MetaData`` or has one in ``metadata``. Nothing is called.

    Raises:
        ConfigurationError: it cannot be imported, or is no such thing.
    """
    module_name, separator, path = target.partition(":")
    if not separator or not module_name or not all(map(str.isidentifier, path.split("."))):
        raise ConfigurationError(
            f"{target!r} is not module:attribute; give it as in myapp.models:Base (only "
            "attributes, no calls)"
        )
    try:
        found: Any = import_module(module_name)
    except SystemExit as error:
        raise ConfigurationError(
            f"could not import {module_name!r}: it ends the program (SystemExit); name the module "
            'that has the models, or put what ends it under if __name__ == "__main__":'
        ) from error
    except Exception as error:
        raise ConfigurationError(
            f"could not import {module_name!r}: {type(error).__name__}: "
            f"{without_secrets(str(error))}; run this in the folder from which the application "
            "starts, in its environment"
        ) from error
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise ConfigurationError(
                f"{target!r}: there is no {name!r} in it; name the declarative base or the MetaData"
            ) from error
    metadata = found if isinstance(found, MetaData) else getattr(found, "metadata", None)
    if not isinstance(metadata, MetaData):
        raise ConfigurationError(
            f"{target!r} is a {type(found).__name__}, not a declarative base or a MetaData"
        )
    if not metadata.tables:
        raise ConfigurationError(f"{target!r} has no tables: name a module that imports all models")
    return metadata


def url_of(text: str) -> URL:
    """Return the parsed URL.

    Raises:
        ConfigurationError: it is none. What it was is not repeated.
    """
    try:
        return make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(
            "--database is not a URL that SQLAlchemy understands; give it as in "
            "postgresql+psycopg://user:password@host/database"
        ) from error


def label_of(url: URL) -> str:
    """Return which database it is, without user, password and options."""
    return URL.create(
        url.drivername, host=url.host, port=url.port, database=url.database
    ).render_as_string()


def run_on(url: URL, call: Callable[[Connection], T]) -> T:
    """Return what ``call`` returns for a connection to the database, by a sync or async driver.

    Raises:
        ConfigurationError: there is no such database or driver, or it does not let us in.
    """
    try:
        dialect = url.get_dialect()
        if dialect.is_async:
            return asyncio.run(_run_async(url, call))
        engine = create_engine(url, poolclass=NullPool)
        try:
            with engine.connect() as connection:
                return call(connection)
        finally:
            engine.dispose()
    except ImportError as error:
        raise ConfigurationError(
            f"the driver of {label_of(url)} is not installed: {error}"
        ) from None
    except (SQLAlchemyError, OSError, ValueError) as error:
        reason = str(getattr(error, "orig", None) or error)
        raise ConfigurationError(
            f"could not look at {label_of(url)}: {type(error).__name__}: "
            f"{without_secrets(reason, url).strip()}"
        ) from None


async def _run_async(url: URL, call: Callable[[Connection], T]) -> T:
    # SQLAlchemy 2.1 wants greenlet installed for this, which other URLs do without.
    try:
        from sqlalchemy.ext.asyncio import create_async_engine
    except ImportError:
        raise ConfigurationError(
            f"{label_of(url)} names an async driver, which needs greenlet: pip install "
            '"sqlalchemy[asyncio]", or give the URL with a sync driver'
        ) from None
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(call)
    finally:
        await engine.dispose()


def without_secrets(text: str, url: URL | None = None) -> str:
    """Return ``text`` without the password of ``url``, and without that of any URL in it."""
    text = _CREDENTIALS.sub("***@", text)
    if url is None:
        return text
    secrets = [url.password] if url.password else []
    for key, values in url.normalized_query.items():
        if re.search("pass|secret|token|key", key, re.IGNORECASE):
            secrets.extend(values)
    for secret in secrets:
        for form in {str(secret), quote(str(secret), safe=""), quote_plus(str(secret))}:
            text = text.replace(form, "***")
    return text
