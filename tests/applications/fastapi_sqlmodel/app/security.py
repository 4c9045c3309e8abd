import hashlib
import hmac
import os
from datetime import UTC, datetime, timedelta
from typing import Annotated

import jwt
from fastapi import Depends, HTTPException
from fastapi.security import OAuth2PasswordBearer

from .database import SessionDep
from .models import Role, User

SECRET_KEY = os.environ["SECRET_KEY"]
ALGORITHM = "HS256"

bearer = OAuth2PasswordBearer(tokenUrl="token")


def hash_password(password: str) -> str:
    salt = os.urandom(16)
    return salt.hex() + hashlib.scrypt(password.encode(), salt=salt, n=2**10, r=8, p=1).hex()


def is_password(password: str, password_hash: str) -> bool:
    salt = bytes.fromhex(password_hash[:32])
    hashed = hashlib.scrypt(password.encode(), salt=salt, n=2**10, r=8, p=1).hex()
    return hmac.compare_digest(hashed, password_hash[32:])


def new_token(user: User) -> str:
    expires = datetime.now(UTC) + timedelta(hours=8)
    claims = {"sub": str(user.id), "exp": expires}
    return jwt.encode(claims, SECRET_KEY, ALGORITHM)


async def get_user(session: SessionDep, token: Annotated[str, Depends(bearer)]) -> User:
    try:
        claims = jwt.decode(token, SECRET_KEY, [ALGORITHM])
    except jwt.InvalidTokenError:
        raise HTTPException(401, "Please log in.") from None
    user = await session.get(User, int(claims["sub"]))
    if user is None:
        raise HTTPException(401, "Please log in.")
    return user


UserDep = Annotated[User, Depends(get_user)]


async def get_admin(user: UserDep) -> User:
    if user.role is not Role.ADMIN:
        raise HTTPException(403, "Only for administrators.")
    return user


AdminDep = Annotated[User, Depends(get_admin)]
