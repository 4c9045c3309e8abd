import hashlib
import os

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from sqlalchemy import select

from .database import alchemy
from .models import Editor


def new_key() -> tuple[str, str]:
    """Return a key and what is stored of it."""
    key = os.urandom(16).hex()
    return key, stored(key)


def stored(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


async def editor_of(key: str) -> Editor | None:
    async with alchemy.get_session() as session:
        return await session.scalar(select(Editor).where(Editor.api_key == stored(key)))


class KeyAuthentication(AbstractAuthenticationMiddleware):
    async def authenticate_request(self, connection: ASGIConnection) -> AuthenticationResult:
        key = connection.headers.get("X-API-Key")
        editor = await editor_of(key) if key else None
        if editor is None:
            raise NotAuthorizedException("Send your key in X-API-Key.")
        return AuthenticationResult(user=editor, auth=None)
