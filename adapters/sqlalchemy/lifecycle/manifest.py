"""The manifest of an export: what is in its folder, and of which schema it is."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeAlias

from tenantshield_mw.tenant import TenantId

from ..doctor.declarations import rule_of
from ..errors import ConfigurationError
from ..ownership.model import ColumnOwnership, table_label
from ..snapshots import foreign_keys_of
from .rows import TableRows, Written, line_of

__all__ = [
    "MANIFEST",
    "Contents",
    "Manifest",
    "Writer",
    "lines_in",
    "made_by",
    "new_folder",
    "read_manifest",
    "schema_of",
    "verify",
    "writing",
]

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1

Schema: TypeAlias = dict[str, dict[str, Any]]
"""What is known of each table, by its name."""

_TYPES: Final[Mapping[str, Any]] = {"str": str, "int": int, "UUID": uuid.UUID}


@dataclass(frozen=True, slots=True)
class Contents:
    """One file.

    Attributes:
        table: the name of the table; empty for the rows that are referred to.
        file: the name of the file.
        rows: the number of its lines.
        sha256: its checksum.
    """

    table: str
    file: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a folder.

    Attributes:
        tenant: the tenant.
        tenant_type: the name of the type of its identifier.
        schema: the tables.
        tables: the files, in the order in which the rows can be written.
        references: the file of the rows that the tenant's refer to and that are not its own.
        made_at: when it was made, in UTC.
        made_by: the name and the version of what made it.
    """

    tenant: str
    tenant_type: str
    schema: Schema
    tables: tuple[Contents, ...]
    references: Contents
    made_at: str
    made_by: str

    @property
    def tenant_id(self) -> TenantId:
        """The tenant's identifier."""
        found: TenantId = _TYPES[self.tenant_type](self.tenant)
        return found

    def write(self, folder: Path) -> None:
        """Write it: the last of the files, so that an export that broke off has none."""
        found = {"format": FORMAT, "fingerprint": fingerprint_of(self.schema), **asdict(self)}
        with _create(folder / MANIFEST) as file:
            file.write(json.dumps(found, indent=2).encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())


def fingerprint_of(schema: Schema) -> str:
    """Return the checksum of a schema."""
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()


def made_by() -> str:
    """Return the name and the version of this package."""
    return f"tenantshield-mw {version('tenantshield-mw')}"


def schema_of(tables: Mapping[str, TableRows]) -> Schema:
    """Return what must be the same where the rows are written again."""
    return {name: _described(rows) for name, rows in tables.items()}


def _described(rows: TableRows) -> dict[str, Any]:
    rule = rule_of(rows.table)
    return {
        "columns": {
            name: f"{each.kind}{'' if each.column.nullable else ' not null'}"
            for name, each in rows.columns.items()
        },
        "primary_key": [column.name for column in rows.table.primary_key],
        "foreign_keys": sorted(
            [
                [element.parent.name for element in key.elements],
                table_label(key.referred_table),
                [element.column.name for element in key.elements],
            ]
            for key in foreign_keys_of(rows.table)
        ),
        "tenant": rule.column if isinstance(rule, ColumnOwnership) else None,
    }


# -- writing ---------------------------------------------------------------------


def new_folder(path: Path) -> Path:
    """Create the folder, which only its owner can read.

    Raises:
        ConfigurationError: it exists and is not empty.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise ConfigurationError(f"the folder {path} is not empty: give a new one")
    return path


class Writer:
    """Writes the lines of one file, and adds up its checksum."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.rows = 0

    def add(self, row: Written) -> None:
        """Write a row."""
        line = line_of(row)
        self._file.write(line)
        self._hash.update(line)
        self.rows += 1

    def contents(self, table: str, file: str) -> Contents:
        """Return what the manifest says of the file."""
        return Contents(table, file, self.rows, self._hash.hexdigest())


@contextmanager
def writing(path: Path) -> Generator[Writer]:
    """Yield what writes a new file."""
    with _create(path) as file:
        yield Writer(file)
        file.flush()
        os.fsync(file.fileno())


def _create(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


# -- reading ---------------------------------------------------------------------


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a folder.

    Raises:
        ConfigurationError: there is none, or it is not valid.
    """
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise ConfigurationError(
            f"{folder} has no {MANIFEST}: it is no export, or one that broke off; export again"
        ) from None
    except ValueError:
        raise ConfigurationError(f"{folder / MANIFEST} is not valid JSON: export again") from None
    try:
        if found.pop("format") != FORMAT:
            raise ConfigurationError(
                f"{folder / MANIFEST} has another format than {FORMAT}: use the version of "
                "tenantshield-mw that wrote it"
            )
        fingerprint = found.pop("fingerprint")
        files = [Contents(**each) for each in (*found.pop("tables"), found.pop("references"))]
        manifest = Manifest(tables=tuple(files[:-1]), references=files[-1], **found)
        known = manifest.tenant_type in _TYPES and fingerprint == fingerprint_of(manifest.schema)
        # Nothing outside of the folder is read.
        if not known or any(Path(each.file).name != each.file for each in files):
            raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ConfigurationError(
            f"{folder / MANIFEST} was changed, or is none: export again"
        ) from None
    return manifest


def verify(folder: Path, manifest: Manifest, schema: Schema) -> None:
    """Check the files and the schema, before anything is written.

    Raises:
        ConfigurationError: a file is not as it was written, or the models are not those of the
            export.
    """
    if (difference := _difference(manifest.schema, schema)) is not None:
        raise ConfigurationError(
            f"the export is of other models than these: {difference}; migrate one of them first"
        )
    if sorted(each.table for each in manifest.tables) != sorted(manifest.schema):
        raise ConfigurationError("the manifest does not list a file for each table: export again")
    for each in (*manifest.tables, manifest.references):
        hashed = hashlib.sha256()
        try:
            with (folder / each.file).open("rb") as file:
                rows = 0
                for line in file:
                    hashed.update(line)
                    rows += 1
        except FileNotFoundError:
            raise ConfigurationError(f"{folder / each.file} is missing: export again") from None
        if (hashed.hexdigest(), rows) != (each.sha256, each.rows):
            raise ConfigurationError(
                f"{folder / each.file} is not as it was written: its checksum differs; export again"
            )


def _difference(exported: Schema, here: Schema) -> str | None:
    for name in sorted({*exported, *here}):
        there, own = exported.get(name), here.get(name)
        if there is None or own is None:
            return f"the table {name} is only {'in the models' if there is None else 'exported'}"
        for part in sorted({*there, *own}):
            if there.get(part) != own.get(part):
                return f"{part} of {name}: {there.get(part)} was exported, {own.get(part)} is here"
    return None


def lines_in(path: Path) -> Iterator[Written]:
    """Yield the rows of a file."""
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)
