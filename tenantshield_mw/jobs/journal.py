"""A file that says for which tenants something is done, so that it can be taken up again."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tenantshield_mw.errors import ConfigurationError, TenantResolutionError
from tenantshield_mw.forking import forkable_lock
from tenantshield_mw.tenant import TenantId

from .envelope import packed, unpacked

__all__ = ["Journal"]


class Journal:
    """The tenants for which something is done, one line of JSON each.

    A line that was not written to its end, since the machine stopped, does not count.

    Args:
        path: the file; it may not exist yet.

    Raises:
        ConfigurationError: it has something else in it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._lock = forkable_lock()
        self.done: set[tuple[type, TenantId]] = set()
        content = self._path.read_bytes() if self._path.exists() else b""
        *lines, rest = content.split(b"\n")
        for line in lines:
            self.done.add(_key(_read(line)))
        if rest:
            with self._path.open("r+b") as file:
                file.truncate(len(content) - len(rest))

    def has(self, tenant_id: TenantId) -> bool:
        """Return whether it is done for a tenant."""
        return _key(tenant_id) in self.done

    def add(self, tenant_id: TenantId) -> None:
        """Note that it is done for a tenant, and wait until the disk has it."""
        line = json.dumps(packed(tenant_id)).encode("ascii") + b"\n"
        with self._lock, self._path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
            self.done.add(_key(tenant_id))

    def remove(self) -> None:
        """Delete the file, since it is done for all."""
        self._path.unlink(missing_ok=True)


def _key(tenant_id: TenantId) -> tuple[type, TenantId]:
    return type(tenant_id), tenant_id


def _read(line: bytes) -> TenantId:
    try:
        return unpacked(json.loads(line))
    except (ValueError, TenantResolutionError):
        raise ConfigurationError(
            "the journal has a line that for_each_tenant() has not written: name another file, or "
            "delete this one to begin again"
        ) from None
