import csv
import io

from fastapi import APIRouter, Response
from sqlalchemy import text
from sqlmodel import col, func, select

from .database import SessionDep
from .models import Activity, Project, Statistics, Task
from .security import UserDep

router = APIRouter(tags=["reports"])


@router.get("/export.csv")
async def export(user: UserDep, session: SessionDep) -> Response:
    rows = await session.exec(
        select(Project.name, Task.title, Task.done)
        .join(Task, isouter=True)
        .order_by(Project.id, Task.id)
    )
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["project", "task", "done"])
    writer.writerows(rows)
    return Response(file.getvalue(), media_type="text/csv")


@router.get("/statistics")
async def statistics(user: UserDep, session: SessionDep) -> Statistics:
    of_organization = Project.organization_id == user.organization_id
    projects = select(func.count()).select_from(Project).where(of_organization)
    tasks = select(func.count()).select_from(Task)
    return Statistics(
        projects=(await session.exec(projects)).one(),
        tasks=(await session.exec(tasks)).one(),
        open_tasks=(await session.exec(tasks.where(~col(Task.done)))).one(),
        budget=(await session.exec(select(func.coalesce(func.sum(Project.budget), 0)))).one(),
    )


@router.get("/busiest")
async def busiest(user: UserDep, session: SessionDep) -> list[dict[str, str | int]]:
    connection = await session.connection()
    rows = await connection.execute(
        text(
            "SELECT project.name, count(*) AS tasks FROM project JOIN task"
            " ON task.project_id = project.id GROUP BY project.id ORDER BY 2 DESC, 1 LIMIT 5"
        )
    )
    return [{"project": name, "tasks": tasks} for name, tasks in rows]


@router.get("/activities")
async def activities(user: UserDep, session: SessionDep) -> list[str]:
    return list(await session.exec(select(Activity.message).order_by(Activity.id)))
