"""The tables of the soak test, a view and a function over them, and the privileges.

Each row has its tenant twice: in the tenant column, and in ``owner``, which the writing client
sets from its own variable. A client that reads a row compares ``owner`` with that variable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import URL, ForeignKey, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tenantshield_mw import system_scope
from tenantshield_mw.adapters.sqlalchemy import rls, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.placements import Placement, Placements, Schemas
from tests.databases import Database

__all__ = ["FUNCTION", "VIEW", "Base", "Detail", "Entry", "Roles", "prepare"]

VIEW: Final = "everything_seen"
FUNCTION: Final = "everything_found"


class Base(DeclarativeBase):
    pass


@tenant_aware
class Entry(Base):
    __tablename__ = "soak_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(index=True)
    owner: Mapped[str]
    name: Mapped[str] = mapped_column(unique=True)
    token: Mapped[str]
    details: Mapped[list[Detail]] = relationship(cascade="all", passive_deletes=True)


class Detail(Base):
    """Belongs to its entry's tenant."""

    __tablename__ = "soak_detail"

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(
        ForeignKey("soak_entry.id", ondelete="CASCADE"), index=True
    )
    owner: Mapped[str]


@dataclass(frozen=True, slots=True)
class Roles:
    """The names of the roles of one database.

    Attributes:
        owner: owns the tables, the view and the function.
        application: the role with which the clients log in.
        system: the role to which the transactions of system scopes switch.
    """

    owner: str
    application: str
    system: str

    def url(self, url: URL, folder: str) -> URL:
        """Return ``url`` for the application, by the socket in ``folder``."""
        return url.set(username=self.application).update_query_dict({"host": folder})


def prepare(here: Database, *, key: bytes | None = None, schemas: Sequence[str] = ()) -> Roles:
    """Create the roles, the tables and the policies; return the roles.

    The view and the function run with their owner's rights, as views do by default. Row-level
    security is forced, so that it holds for the owner too.

    Args:
        here: the database.
        key: the key with which tenants are signed; ``None`` if they are not.
        schemas: schemas that have the same as the shared one.
    """
    name = here.url.database
    roles = Roles(f"own_{name}", f"app_{name}", f"sys_{name}")
    here.run(
        f"CREATE ROLE {roles.owner} LOGIN",
        f"CREATE ROLE {roles.application} LOGIN {'' if key is None else 'NOINHERIT'}",
        f"CREATE ROLE {roles.system} {'BYPASSRLS' if key is None else ''}",
        f"GRANT CREATE ON DATABASE {name} TO {roles.owner}",
        f"GRANT {roles.system} TO {roles.application}",
        f"GRANT CREATE ON SCHEMA public TO {roles.owner}",
    )
    engine = create_engine(here.url.set(username=roles.owner))
    Placements(engine, schemas=Schemas())
    for schema in schemas:
        here.run(
            f'CREATE SCHEMA "{schema}" AUTHORIZATION {roles.owner}',
            f'GRANT USAGE ON SCHEMA "{schema}" TO {roles.application}, {roles.system}',
        )
    places = (Placement(), *(Placement(schema=each) for each in schemas))
    for at in places:
        with system_scope("the tables", at=at), engine.begin() as connection:
            Base.metadata.create_all(connection)
            if key is not None:
                rls.configure(Base.metadata, signed=True, system_role=roles.system)
            rls.create_policies(connection, Base.metadata)
            Base.metadata.info.clear()
            if key is not None:
                rls.store_keys(connection, [key])
        _create_bypasses(here, at.schema or "public", roles)
    engine.dispose()
    return roles


def _create_bypasses(here: Database, schema: str, roles: Roles) -> None:
    with here.dbapi() as connection:
        # What is created is of this schema.
        connection.execute(f'SET search_path = "{schema}"')
        for statement in (
            f"CREATE VIEW {VIEW} AS SELECT * FROM soak_entry",
            (
                f"CREATE FUNCTION {FUNCTION}() RETURNS SETOF soak_entry LANGUAGE sql STABLE "
                f"SECURITY DEFINER AS 'SELECT * FROM \"{schema}\".soak_entry'"
            ),
            f"ALTER VIEW {VIEW} OWNER TO {roles.owner}",
            f"ALTER FUNCTION {FUNCTION} OWNER TO {roles.owner}",
            f'GRANT ALL ON ALL TABLES IN SCHEMA "{schema}" TO {roles.application}, {roles.system}',
            (
                f'GRANT ALL ON ALL SEQUENCES IN SCHEMA "{schema}" '
                f"TO {roles.application}, {roles.system}"
            ),
        ):
            connection.execute(statement)
