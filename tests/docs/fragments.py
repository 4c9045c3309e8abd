"""What the fragments of some pages stand in: a page shows the lines that matter alone.

The blocks of a page run one after the other, with these names around them.
"""

from __future__ import annotations

from typing import Final

__all__ = ["AFTER", "BEFORE", "BETWEEN"]

_MODEL: Final = """
from sqlalchemy import String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from tenantshield_mw import TenantSessionMiddleware, current_tenant, resolvers, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware

class Base(DeclarativeBase):
    pass

@tenant_aware
class Invoice(Base):
    __tablename__ = "invoice"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(index=True)
"""

_USER: Final = """
import asyncio
import hashlib
from datetime import date
from litestar import Request
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.testclient import TestClient
from tenantshield_mw.adapters.sqlalchemy import tenant_aware

class Base(DeclarativeBase):
    pass

@tenant_aware(column="organization_id")
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    organization_id: Mapped[str]
    token_hash: Mapped[str]

@tenant_aware(column="organization_id")
class Invoice(Base):
    __tablename__ = "invoice"
    id: Mapped[int] = mapped_column(primary_key=True)
    organization_id: Mapped[str]
    total: Mapped[int]

engine = create_async_engine("sqlite+aiosqlite:///shop.db")

def stored(token):
    return hashlib.sha256(token.encode()).hexdigest()

class InvoiceOut(BaseModel):
    id: int
"""

BEFORE: Final = {
    "resolvers.md": _MODEL
    + """
import asyncio, hashlib, json, secrets
from types import SimpleNamespace
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Response

settings = SimpleNamespace(secret="0" * 32)
response = Response()
private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
public_key_pem = key_of_issuer = private.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
key = public_key_pem
curve = ec.generate_private_key(ec.SECP256R1()).public_key()
jwk = jwt.algorithms.ECAlgorithm.to_jwk(curve, as_dict=True)
document = json.dumps({"keys": [jwk | {"kid": "1"}]})
keys_of_tenants = {}
lookup = keys_of_tenants.get
store = keys_of_tenants.__setitem__
tenant_id = "acme"
look_up_by_token = look_up_with_a_blocking_driver = lambda request: "acme"
async def app(scope, receive, send): ...
async def found(key):
    acme = SimpleNamespace(id="acme", suspended=False, plan="small", tenant_id="acme")
    return {"acme": acme}.get(key)
tenants = SimpleNamespace(get=found)
find_workspace = found
engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
session = Session(engine)
""",
    "directory.md": _MODEL
    + """
from uuid import UUID, uuid4
from sqlalchemy import true
from sqlalchemy.ext.asyncio import create_async_engine

async def app(scope, receive, send): ...
async_engine = create_async_engine("sqlite+aiosqlite://")
""",
    "middleware-order.md": """
from starlette.middleware.cors import CORSMiddleware
from tenantshield_mw import TenantSessionMiddleware, resolvers

async def app(scope, receive, send): ...
""",
    "binding-late.md": _USER,
    "doctor.md": _MODEL,
}
"""Code before the blocks of a page."""

BETWEEN: Final = {
    "binding-late.md": {
        1: """
async def fill():
    with system_scope("fill the tables"):
        async with AsyncSession(engine) as session:
            await (await session.connection()).run_sync(Base.metadata.create_all)
            for name, total in (("acme", 100), ("globex", 900)):
                session.add(User(organization_id=name, token_hash=stored(name)))
                session.add(Invoice(organization_id=name, total=total))
            await session.commit()
    await engine.dispose()

asyncio.run(fill())
with TestClient(app) as client:
    for token, total in (("acme", 100), ("globex", 900)):
        answer = client.get("/invoices", headers={"Authorization": f"Bearer {token}"})
        assert answer.json() == [total], answer.text
    answer = client.get("/invoices", headers={"Authorization": "Bearer initech"})
    assert answer.status_code == 401
    client.portal.call(engine.dispose)
""",
    },
    # The page uses the name for an API key, too.
    "resolvers.md": {7: "key = public_key_pem\n"},
    "directory.md": {
        1: """
from flask import Flask

app = Flask(__name__)
engine = create_engine("sqlite:///tenants.db")
Base.metadata.create_all(engine)
Tenant.open = Tenant.state == "active"
with Session(engine) as adding:
    adding.add(Tenant(id=uuid4(), slug="acme", state="active", name="Acme", plan="small"))
    adding.commit()
lookup = tenants_in(engine, Tenant, id=Tenant.slug, state=Tenant.open, tenant_id=Tenant.id)
directory = TenantDirectory(lookup)
""",
    },
}
"""Code before a block of a page, by its number."""

AFTER: Final = {
    "resolvers.md": """
assert response.headers["Set-Cookie"].startswith("tenant=")
assert list(keys_of_tenants.values()) == ["acme"]
assert asyncio.run(find_tenant("globex")) is TenantState.UNKNOWN
assert asyncio.run(find_tenant("acme")).attributes == {"plan": "small"}
assert asyncio.run(by_workspace({"path": "acme"})) == "acme"
with tenant_scope("acme"):
    session.add(Invoice())
    session.commit()
assert len(list(report("acme"))) == 1
assert list(report("globex")) == []
session.close()
engine.dispose()
""",
    "directory.md": """
import asyncio

assert app.test_cli_runner().invoke(args=["remind", "--tenant", "acme"]).exit_code == 0
assert app.test_cli_runner().invoke(args=["remind", "--tenant", "globex"]).exit_code == 2
asyncio.run(job())

from tenantshield_mw import TenantNotFoundError, TenantSuspendedError

with system_scope("fill the table"), Session(engine) as adding:
    Base.metadata.create_all(engine)
    adding.add_all([Organization(id="acme", active=True), Organization(id="globex", active=False)])
    adding.commit()
with SessionScope("acme", directory=organizations), Session(engine) as session:
    assert [each.id for each in session.scalars(select(Organization))] == ["acme"]
for name, error in {"globex": TenantSuspendedError, "Acme": TenantNotFoundError}.items():
    try:
        SessionScope(name, directory=organizations).__enter__()
    except error:
        continue
    raise AssertionError(name)
engine.dispose()
""",
    "middleware-order.md": """
from starlette.testclient import TestClient

asked = TestClient(app).get("/", headers={"Origin": "https://app.example.com"})
assert asked.status_code == 400
assert asked.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
""",
    "binding-late.md": """
from tenantshield_mw import current_tenant, try_current_tenant

seen = []
close_month_of = tenant_from("actor", lambda actor: actor.organization_id)(
    lambda actor, month: seen.append(current_tenant().tenant_id)
)
close_month_of(User(organization_id="globex"), month=date(2026, 11, 1))
assert seen == ["globex"]
assert try_current_tenant() is None
""",
    "doctor.md": """
engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
test_isolation(engine)
engine.dispose()
""",
}
"""What has to hold after them."""
