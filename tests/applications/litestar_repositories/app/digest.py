"""``python -m app.digest``: how many articles each magazine has published."""

import asyncio

from sqlalchemy import func, select

from .database import alchemy
from .models import Article, Magazine


async def digest() -> list[tuple[str, int]]:
    async with alchemy.get_session() as session:
        rows = await session.execute(
            select(Magazine.name, func.count(Article.id))
            .outerjoin(Article, (Article.magazine_id == Magazine.id) & Article.published)
            .group_by(Magazine.id)
            .order_by(Magazine.id)
        )
        return [(name, count) for name, count in rows]


if __name__ == "__main__":
    for name, count in asyncio.run(digest()):
        print(f"{name}: {count}")
