from typing import Any

from advanced_alchemy.filters import LimitOffset, OrderBy, SearchFilter
from litestar import Controller, Request, delete, get, patch, post
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from .database import alchemy
from .models import Article, Comment, Editor, Magazine
from .repositories import (
    Articles,
    Comments,
    Editors,
    Magazines,
    provide_articles,
    provide_comments,
    provide_editors,
    provide_magazines,
)
from .security import new_key


class SignUp(Struct):
    magazine: str
    name: str


class NewEditor(Struct):
    name: str


class NewArticle(Struct):
    title: str
    words: int
    author_id: int


class ArticleChange(Struct):
    title: str | UnsetType = UNSET
    author_id: int | UnsetType = UNSET
    published: bool | UnsetType = UNSET


class NewComment(Struct):
    text: str


def article_out(article: Article) -> dict[str, Any]:
    return {
        "id": article.id,
        "title": article.title,
        "words": article.words,
        "published": article.published,
        "author": article.author.name,
    }


@post("/sign-up", exclude_from_auth=True, dependencies={"magazines": Provide(provide_magazines)})
async def sign_up(
    data: JSONBody[SignUp],
    magazines: NamedDependency[Magazines],
    db_session: NamedDependency[AsyncSession],
) -> dict[str, Any]:
    # The plugin answers 409 if the name is taken.
    magazine = await magazines.add(Magazine(name=data.magazine))
    key, stored = new_key()
    editor = Editor(magazine_id=magazine.id, name=data.name, api_key=stored)
    db_session.add(editor)
    await db_session.flush()
    return {"id": editor.id, "key": key}


class EditorController(Controller):
    path = "/editors"
    dependencies = {"editors": Provide(provide_editors)}

    @get()
    async def list_editors(
        self, editors: NamedDependency[Editors], request: Request
    ) -> list[dict[str, Any]]:
        found = await editors.get_many(magazine_id=request.user.magazine_id)
        return [{"id": each.id, "name": each.name} for each in found]

    @post()
    async def add_editor(
        self, data: JSONBody[NewEditor], editors: NamedDependency[Editors], request: Request
    ) -> dict[str, Any]:
        key, stored = new_key()
        new = Editor(magazine_id=request.user.magazine_id, name=data.name, api_key=stored)
        return {"id": (await editors.add(new)).id, "key": key}


async def count_words(article_id: int, title: str) -> None:
    async with alchemy.get_session() as session:
        article = await session.get_one(Article, article_id)
        article.words = len(title.split())
        await session.commit()


class ArticleController(Controller):
    path = "/articles"
    dependencies = {"articles": Provide(provide_articles), "comments": Provide(provide_comments)}

    @get()
    async def list_articles(
        self,
        articles: NamedDependency[Articles],
        request: Request,
        search: FromQuery[str] = "",
        limit: FromQuery[int] = 20,
    ) -> dict[str, Any]:
        filters = [LimitOffset(limit, 0), OrderBy("id", "asc")]
        if search:
            filters.append(SearchFilter("title", search))
            found, total = await articles.get_many_and_count(*filters)
        else:
            found, total = await articles.get_many_and_count(
                *filters, magazine_id=request.user.magazine_id
            )
        return {"total": total, "items": [article_out(each) for each in found]}

    @post()
    async def add_article(
        self, data: JSONBody[NewArticle], articles: NamedDependency[Articles], request: Request
    ) -> dict[str, Any]:
        values = {"title": data.title, "words": data.words, "author_id": data.author_id}
        article = await articles.create(
            {**values, "magazine_id": request.user.magazine_id}, auto_refresh=True
        )
        return article_out(article)

    @get("/export")
    async def export(self, articles: NamedDependency[Articles]) -> str:
        found = await articles.get_many(OrderBy("id", "asc"))
        return "".join(f"{each.title};{each.author.name}\n" for each in found)

    @get("/statistics")
    async def statistics(self, db_session: NamedDependency[AsyncSession]) -> dict[str, Any]:
        rows = await db_session.execute(
            select(Editor.name, func.count(Article.id), func.sum(Article.words))
            .join(Article.author)
            .group_by(Editor.id)
            .order_by(Editor.id)
        )
        return {
            "authors": [
                {"name": name, "articles": count, "words": words} for name, count, words in rows
            ]
        }

    @get("/{article_id:int}")
    async def get_article(
        self, articles: NamedDependency[Articles], article_id: FromPath[int]
    ) -> dict[str, Any]:
        return article_out(await articles.get(article_id))

    @patch("/{article_id:int}")
    async def change_article(
        self,
        articles: NamedDependency[Articles],
        article_id: FromPath[int],
        data: JSONBody[ArticleChange],
        request: Request,
    ) -> dict[str, Any]:
        # The plugin answers 404 if there is none.
        await articles.get_one(id=article_id, magazine_id=request.user.magazine_id)
        given = {"title": data.title, "author_id": data.author_id, "published": data.published}
        changes = {name: value for name, value in given.items() if value is not UNSET}
        return article_out(await articles.update(changes, article_id, auto_refresh=True))

    @post("/{article_id:int}/count-words")
    async def recount(
        self, articles: NamedDependency[Articles], article_id: FromPath[int]
    ) -> Response[None]:
        article = await articles.get(article_id)
        task = BackgroundTask(count_words, article_id, article.title)
        return Response(None, status_code=202, background=task)

    @delete("/{article_id:int}")
    async def delete_article(
        self,
        articles: NamedDependency[Articles],
        comments: NamedDependency[Comments],
        article_id: FromPath[int],
    ) -> None:
        await comments.delete_where(article_id=article_id)
        await articles.delete(article_id)

    @get("/{article_id:int}/comments")
    async def list_comments(
        self, comments: NamedDependency[Comments], article_id: FromPath[int]
    ) -> list[dict[str, Any]]:
        found = await comments.get_many(OrderBy("id", "asc"), article_id=article_id)
        return [{"id": each.id, "text": each.text} for each in found]

    @post("/{article_id:int}/comments")
    async def add_comment(
        self,
        comments: NamedDependency[Comments],
        article_id: FromPath[int],
        data: JSONBody[NewComment],
    ) -> dict[str, Any]:
        comment = await comments.add(Comment(article_id=article_id, text=data.text))
        return {"id": comment.id}


@delete("/comments", dependencies={"comments": Provide(provide_comments)})
async def delete_comments(
    comments: NamedDependency[Comments], comment_id: FromQuery[list[int]]
) -> None:
    await comments.delete_many(comment_id)
