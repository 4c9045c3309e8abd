from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from advanced_alchemy.service import SQLAlchemyAsyncRepositoryService
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from .models import Article, Comment, Editor, Magazine


class Magazines(SQLAlchemyAsyncRepository[Magazine]):
    model_type = Magazine


class Editors(SQLAlchemyAsyncRepository[Editor]):
    model_type = Editor


class Comments(SQLAlchemyAsyncRepository[Comment]):
    model_type = Comment


class Articles(SQLAlchemyAsyncRepositoryService[Article]):
    class Repository(SQLAlchemyAsyncRepository[Article]):
        model_type = Article

    repository_type = Repository


async def provide_magazines(db_session: NamedDependency[AsyncSession]) -> Magazines:
    return Magazines(session=db_session)


async def provide_editors(db_session: NamedDependency[AsyncSession]) -> Editors:
    return Editors(session=db_session)


async def provide_comments(db_session: NamedDependency[AsyncSession]) -> Comments:
    return Comments(session=db_session)


async def provide_articles(db_session: NamedDependency[AsyncSession]) -> Articles:
    return Articles(session=db_session)
