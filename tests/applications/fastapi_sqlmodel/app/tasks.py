from fastapi import APIRouter, HTTPException
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, or_, select

from .database import SessionDep
from .models import Comment, CommentOut, NewComment, Project, Task, TaskBase, TaskChange, TaskOut
from .security import UserDep

router = APIRouter(tags=["tasks"])


@router.get("/tasks", response_model=list[TaskOut])
async def list_tasks(user: UserDep, session: SessionDep, search: str = "") -> list[Task]:
    query = select(Task).join(Project).where(Project.organization_id == user.organization_id)
    if search:
        comments = select(Comment.task_id).where(col(Comment.text).contains(search))
        matching = col(Task.title).contains(search), col(Task.id).in_(comments)
        query = select(Task).join(Project).where(or_(*matching))
    return list(await session.exec(query.order_by(Task.id)))


@router.post("/tasks", status_code=201, response_model=TaskOut)
async def add_task(new: TaskBase, user: UserDep, session: SessionDep) -> Task:
    task = Task.model_validate(new)
    session.add(task)
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(404, "There is no such project or user.") from None
    return task


@router.get("/tasks/{task_id}", response_model=TaskOut)
async def get_task(task_id: int, user: UserDep, session: SessionDep) -> Task:
    query = select(Task).join(Project).where(Task.id == task_id)
    of_organization = Project.organization_id == user.organization_id
    task = (await session.exec(query.where(of_organization))).one_or_none()
    if task is None:
        raise HTTPException(404, "There is no such task.")
    return task


@router.patch("/tasks/{task_id}", response_model=TaskOut)
async def change_task(task_id: int, change: TaskChange, user: UserDep, session: SessionDep) -> Task:
    task = await get_task(task_id, user, session)
    task.sqlmodel_update(change.model_dump(exclude_unset=True))
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(404, "There is no such project or user.") from None
    return task


@router.get("/tasks/{task_id}/comments", response_model=list[CommentOut])
async def list_comments(task_id: int, user: UserDep, session: SessionDep) -> list[Comment]:
    of_task = Comment.task_id == task_id
    return list(await session.exec(select(Comment).where(of_task).order_by(Comment.id)))


@router.post("/tasks/{task_id}/comments", status_code=201, response_model=CommentOut)
async def add_comment(task_id: int, new: NewComment, user: UserDep, session: SessionDep) -> Comment:
    comment = Comment(task_id=task_id, author_id=user.id, text=new.text)
    session.add(comment)
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(404, "There is no such task.") from None
    return comment


@router.delete("/comments/{comment_id}", status_code=204)
async def delete_comment(comment_id: int, user: UserDep, session: SessionDep) -> None:
    comment = await session.get(Comment, comment_id)
    if comment is None:
        raise HTTPException(404, "There is no such comment.")
    await session.delete(comment)
    await session.commit()
