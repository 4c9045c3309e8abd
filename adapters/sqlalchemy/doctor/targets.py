"""Resolves the command's arguments: the tables of ``module:attribute`` and the database URL."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final, TypeVar
from urllib.parse import quote, quote_plus

from sqlalchemy import URL, Engine, MetaData, create_engine, inspect, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Mapper, registry
from sqlalchemy.pool import NullPool

from ..errors import ConfigurationError
from ..snapshots import mappers_of

__all__ = [
    "label_of",
    "mappers_at",
    "metadata_at",
    "object_at",
    "run_on",
    "saying_what_failed",
    "sync_engine_at",
    "url_of",
    "without_secrets",
]

T = TypeVar("T")

_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s'\"]*:[^@\s'\"]*@")


def metadata_at(target: str) -> MetaData:
    """Return the tables that ``target`` names.

    Args:
        target: ``module:attribute``, such as ``myapp.models:Base``. The attribute, which may
            have dots, is a ``MetaData`` or has one in ``metadata``. Nothing is called.

    Raises:
        ConfigurationError: the target cannot be imported, or is not a ``MetaData``.
    """
    metadata = _metadata_of(object_at(target), target)
    if not metadata.tables:
        raise ConfigurationError(f"{target!r} has no tables: name a module that imports all models")
    return metadata


def mappers_at(target: str) -> set[Mapper[Any]]:
    """Return the mappers of the classes below the base that ``target`` names.

    Args:
        target: as for :func:`metadata_at`; of a ``MetaData``, there are none. It may have the base
            in ``Model``, as Flask-SQLAlchemy's object does.
    """
    found = object_at(target)
    base = getattr(found, "Model", found)
    # A base that Flask-SQLAlchemy copies has no subclasses.
    own = getattr(base, "registry", None)
    mappers: set[Mapper[Any]] = {*mappers_of(own)} if isinstance(own, registry) else set()
    for model in _subclasses(base) if isinstance(base, type) else ():
        mapper = _mapper_of(model)
        if mapper is not None:
            mappers.add(mapper)
    return mappers


def _mapper_of(model: type) -> Mapper[Any] | None:
    mapper: Mapper[Any] | None = inspect(model, raiseerr=False)
    return mapper if isinstance(mapper, Mapper) else None


def _subclasses(base: type) -> Iterator[type]:
    subclasses: list[type] = base.__subclasses__()
    for each in subclasses:
        yield each
        yield from _subclasses(each)


def _metadata_of(found: Any, target: str) -> MetaData:
    metadata = found if isinstance(found, MetaData) else getattr(found, "metadata", None)
    if not isinstance(metadata, MetaData):
        raise ConfigurationError(
            f"{target!r} is a {type(found).__name__}, not a declarative base or a MetaData"
        )
    return metadata


def object_at(target: str) -> Any:
    """Return what ``target`` names.

    Args:
        target: ``module:attribute``; the attribute may have dots. Nothing is called.

    Raises:
        ConfigurationError: the target cannot be imported.
    """
    module_name, separator, path = target.partition(":")
    if not separator or not module_name or not all(map(str.isidentifier, path.split("."))):
        raise ConfigurationError(
            f"{target!r} is not module:attribute, such as myapp.models:Base (only attributes, no "
            "calls)"
        )
    try:
        found: Any = import_module(module_name)
    except SystemExit as error:
        raise ConfigurationError(
            f"could not import {module_name!r}: it exits the program (SystemExit); name the module "
            'with the models, or move the code that exits under if __name__ == "__main__":'
        ) from error
    except Exception as error:
        raise ConfigurationError(
            f"could not import {module_name!r}: {type(error).__name__}: "
            f"{without_secrets(str(error))}; run this in the directory where the application "
            "starts, in its environment"
        ) from error
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise ConfigurationError(
                f"{target!r} has no {name!r}: name the declarative base or the MetaData"
            ) from error
    return found


def url_of(text: str) -> URL:
    """Parse the URL.

    Raises:
        ConfigurationError: the URL is invalid. The message does not repeat it.
    """
    try:
        return make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(
            "--database is not a URL that SQLAlchemy understands, such as "
            "postgresql+psycopg://user:password@host/database"
        ) from error


def sync_engine_at(database: str) -> Engine:
    """Return an engine for a URL; the caller disposes of it.

    Raises:
        ConfigurationError: the URL is invalid or names an async driver, or its driver is missing.
    """
    url = url_of(database)
    try:
        if url.get_dialect().is_async:
            raise ConfigurationError(
                f"{label_of(url)} names an async driver: give a URL with a sync one"
            )
        return create_engine(url)
    except (ImportError, SQLAlchemyError) as error:
        raise ConfigurationError(f"the driver of {label_of(url)} cannot be used: {error}") from None


def label_of(url: URL) -> str:
    """Return the URL without user, password and options."""
    return URL.create(
        url.drivername, host=url.host, port=url.port, database=url.database
    ).render_as_string()


def run_on(url: URL, call: Callable[[Connection], T]) -> T:
    """Call ``call`` with a connection to the database, with a sync or async driver.

    Raises:
        ConfigurationError: the driver is missing, or the database cannot be reached or
            examined.
    """
    try:
        with saying_what_failed(f"could not examine {label_of(url)}", url, ValueError):
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


@contextmanager
def saying_what_failed(what: str, url: URL | None, *further: type[Exception]) -> Generator[None]:
    """Let an error of the database end the command with a message.

    Args:
        what: what could not be done, for the message.
        url: the database, whose secrets are left out of the message; ``None`` if it is not known.
        further: errors to treat like those of SQLAlchemy and of the operating system.

    Raises:
        ConfigurationError: there was such an error.
    """
    expected: tuple[type[Exception], ...] = (SQLAlchemyError, OSError, *further)
    try:
        yield
    except expected as error:
        reason = str(getattr(error, "orig", None) or error)
        raise ConfigurationError(
            f"{what}: {type(error).__name__}: {without_secrets(reason, url).strip()}"
        ) from None


async def _run_async(url: URL, call: Callable[[Connection], T]) -> T:
    # SQLAlchemy 2.1 requires greenlet for this import, and sync drivers do not need it.
    try:
        from sqlalchemy.ext.asyncio import create_async_engine
    except ImportError:
        raise ConfigurationError(
            f"{label_of(url)} names an async driver, which requires greenlet: pip install "
            '"sqlalchemy[asyncio]", or use a URL with a sync driver'
        ) from None
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(call)
    finally:
        await engine.dispose()


def without_secrets(text: str, url: URL | None = None) -> str:
    """Return ``text`` without the password of ``url`` or of any URL in the text."""
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
