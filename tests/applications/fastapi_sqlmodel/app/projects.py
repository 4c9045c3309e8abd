from fastapi import APIRouter, BackgroundTasks, HTTPException
from sqlmodel import select

from .database import SessionDep, new_session
from .models import Activity, Project, ProjectBase, ProjectChange, ProjectOut, Task, TaskOut
from .security import AdminDep, UserDep

router = APIRouter(prefix="/projects", tags=["projects"])


async def note(organization_id: int, message: str) -> None:
    async with new_session() as session:
        session.add(Activity(organization_id=organization_id, message=message))
        await session.commit()


@router.get("", response_model=list[ProjectOut])
async def list_projects(user: UserDep, session: SessionDep) -> list[Project]:
    of_organization = Project.organization_id == user.organization_id
    found = await session.exec(select(Project).where(of_organization).order_by(Project.id))
    return list(found)


@router.post("", status_code=201, response_model=ProjectOut)
async def add_project(
    new: ProjectBase, user: UserDep, session: SessionDep, background: BackgroundTasks
) -> Project:
    project = Project.model_validate(new, update={"organization_id": user.organization_id})
    session.add(project)
    await session.commit()
    background.add_task(note, user.organization_id, f"{user.email} created {project.name}")
    return project


@router.get("/{project_id}", response_model=ProjectOut)
async def get_project(project_id: int, user: UserDep, session: SessionDep) -> Project:
    project = await session.get(Project, project_id)
    if project is None:
        raise HTTPException(404, "There is no such project.")
    return project


@router.patch("/{project_id}", response_model=ProjectOut)
async def change_project(
    project_id: int, change: ProjectChange, user: UserDep, session: SessionDep
) -> Project:
    project = await session.get(Project, project_id)
    if project is None or project.organization_id != user.organization_id:
        raise HTTPException(404, "There is no such project.")
    project.sqlmodel_update(change.model_dump(exclude_unset=True))
    await session.commit()
    return project


@router.delete("/{project_id}", status_code=204)
async def delete_project(project_id: int, admin: AdminDep, session: SessionDep) -> None:
    project = await session.get(Project, project_id)
    if project is None:
        raise HTTPException(404, "There is no such project.")
    # The cascade needs them, and an async session loads nothing by itself.
    tasks = await session.exec(select(Task).where(Task.project_id == project_id))
    for task in tasks:
        await session.refresh(task, ["comments"])
    await session.refresh(project, ["tasks"])
    await session.delete(project)
    await session.commit()


@router.get("/{project_id}/tasks", response_model=list[TaskOut])
async def list_tasks_of_project(project_id: int, user: UserDep, session: SessionDep) -> list[Task]:
    of_project = Task.project_id == project_id
    return list(await session.exec(select(Task).where(of_project).order_by(Task.id)))
