"""Import the libraries that only some resolvers need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tenantshield_mw.errors import ConfigurationError

__all__ = ["required"]


def required(module: str, *, extra: str, by: str) -> Any:
    """Return ``module``, which the distribution's extra ``extra`` installs.

    Raises:
        ConfigurationError: the module is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'{by} needs an extra: pip install "tenantshield-mw[{extra}]"'
        ) from error
