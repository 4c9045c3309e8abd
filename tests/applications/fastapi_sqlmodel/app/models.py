from datetime import UTC, date, datetime
from enum import StrEnum

from sqlalchemy import Column, DateTime
from sqlmodel import Field, Relationship, SQLModel


def now() -> datetime:
    return datetime.now(UTC)


class Role(StrEnum):
    MEMBER = "member"
    ADMIN = "admin"


class Organization(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=100)


class User(SQLModel, table=True):
    __tablename__ = "users"

    id: int | None = Field(default=None, primary_key=True)
    organization_id: int = Field(foreign_key="organization.id", index=True)
    email: str = Field(unique=True, max_length=200)
    password_hash: str
    role: Role = Role.MEMBER


class ProjectBase(SQLModel):
    name: str = Field(min_length=1, max_length=100)
    budget: int = Field(default=0, ge=0)


class Project(ProjectBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    organization_id: int = Field(foreign_key="organization.id", index=True)
    tasks: list["Task"] = Relationship(back_populates="project", cascade_delete=True)


class TaskBase(SQLModel):
    title: str = Field(min_length=1, max_length=200)
    project_id: int = Field(foreign_key="project.id", index=True)
    assignee_id: int | None = Field(default=None, foreign_key="users.id")
    due: date | None = None


class Task(TaskBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    done: bool = False
    project: Project = Relationship(back_populates="tasks")
    comments: list["Comment"] = Relationship(back_populates="task", cascade_delete=True)


class Comment(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    task_id: int = Field(foreign_key="task.id", index=True)
    author_id: int = Field(foreign_key="users.id")
    text: str
    written_at: datetime = Field(
        default_factory=now, sa_column=Column(DateTime(timezone=True), nullable=False)
    )
    task: Task = Relationship(back_populates="comments")


class Activity(SQLModel, table=True):
    """What happened, written by background tasks."""

    id: int | None = Field(default=None, primary_key=True)
    organization_id: int = Field(foreign_key="organization.id", index=True)
    message: str


# What the API accepts and returns.


class SignUp(SQLModel):
    organization: str = Field(min_length=1, max_length=100)
    email: str
    password: str = Field(min_length=8)


class NewUser(SQLModel):
    email: str
    password: str = Field(min_length=8)
    role: Role = Role.MEMBER


class UserOut(SQLModel):
    id: int
    email: str
    role: Role


class RoleChange(SQLModel):
    role: Role


class Token(SQLModel):
    access_token: str
    token_type: str = "bearer"


class ProjectOut(ProjectBase):
    id: int


class ProjectChange(SQLModel):
    name: str | None = None
    budget: int | None = None


class TaskOut(TaskBase):
    id: int
    done: bool


class TaskChange(SQLModel):
    title: str | None = None
    project_id: int | None = None
    assignee_id: int | None = None
    done: bool | None = None


class NewComment(SQLModel):
    text: str = Field(min_length=1)


class CommentOut(SQLModel):
    id: int
    task_id: int
    author_id: int
    text: str


class Statistics(SQLModel):
    projects: int
    tasks: int
    open_tasks: int
    budget: int
