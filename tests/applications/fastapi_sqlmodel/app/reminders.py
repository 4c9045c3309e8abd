"""``python -m app.reminders``: run each morning, for all organizations."""

import asyncio
from datetime import date

from sqlmodel import col, select

from .database import engine, new_session
from .models import Task, User


async def reminders(today: date) -> list[tuple[str, str]]:
    """Return who is reminded of which task."""
    async with new_session() as session:
        found = await session.exec(
            select(User.email, Task.title)
            .join(Task, col(Task.assignee_id) == User.id)
            .where(col(Task.due) <= today, ~col(Task.done))
            .order_by(User.email, Task.id)
        )
        return list(found)


async def main() -> None:
    for address, title in await reminders(date.today()):
        print(f"{address}: {title}")
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
