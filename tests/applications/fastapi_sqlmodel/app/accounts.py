from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi.security import OAuth2PasswordRequestForm
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from .database import SessionDep
from .models import NewUser, Organization, Role, RoleChange, SignUp, Token, User, UserOut
from .security import AdminDep, UserDep, hash_password, is_password, new_token

router = APIRouter(tags=["accounts"])


@router.post("/sign-up", status_code=201)
async def sign_up(new: SignUp, session: SessionDep) -> Token:
    organization = Organization(name=new.organization)
    session.add(organization)
    try:
        await session.flush()
        user = User(
            organization_id=organization.id,
            email=new.email,
            password_hash=hash_password(new.password),
            role=Role.ADMIN,
        )
        session.add(user)
        await session.commit()
    except IntegrityError:
        raise HTTPException(409, "The name or the address is taken.") from None
    return Token(access_token=new_token(user))


@router.post("/token")
async def log_in(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], session: SessionDep
) -> Token:
    found = await session.exec(select(User).where(User.email == form.username))
    user = found.one_or_none()
    if user is None or not is_password(form.password, user.password_hash):
        raise HTTPException(401, "Wrong address or password.")
    return Token(access_token=new_token(user))


@router.get("/me", response_model=UserOut)
async def me(user: UserDep) -> User:
    return user


@router.get("/users", response_model=list[UserOut])
async def list_users(user: UserDep, session: SessionDep) -> list[User]:
    of_organization = User.organization_id == user.organization_id
    found = await session.exec(select(User).where(of_organization).order_by(User.id))
    return list(found)


@router.post("/users", status_code=201, response_model=UserOut)
async def add_user(new: NewUser, admin: AdminDep, session: SessionDep) -> User:
    user = User(
        organization_id=admin.organization_id,
        email=new.email,
        password_hash=hash_password(new.password),
        role=new.role,
    )
    session.add(user)
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(409, "The address is taken.") from None
    return user


@router.put("/users/{user_id}/role", response_model=UserOut)
async def change_role(
    user_id: int, change: RoleChange, admin: AdminDep, session: SessionDep
) -> User:
    user = await session.get(User, user_id)
    if user is None:
        raise HTTPException(404, "There is no such user.")
    user.role = change.role
    await session.commit()
    return user
