from advanced_alchemy.base import BigIntBase
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship


class Magazine(BigIntBase):
    __tablename__ = "magazine"

    name: Mapped[str] = mapped_column(String(100), unique=True)


class Editor(BigIntBase):
    __tablename__ = "editor"

    magazine_id: Mapped[int] = mapped_column(ForeignKey("magazine.id"))
    name: Mapped[str] = mapped_column(String(100))
    api_key: Mapped[str] = mapped_column(String(64), unique=True)


class Article(BigIntBase):
    __tablename__ = "article"

    magazine_id: Mapped[int] = mapped_column(ForeignKey("magazine.id"))
    author_id: Mapped[int] = mapped_column(ForeignKey("editor.id"))
    title: Mapped[str] = mapped_column(String(200))
    words: Mapped[int]
    published: Mapped[bool] = mapped_column(default=False)
    author: Mapped[Editor] = relationship(lazy="joined", innerjoin=True)


class Comment(BigIntBase):
    __tablename__ = "comment"

    article_id: Mapped[int] = mapped_column(ForeignKey("article.id"))
    text: Mapped[str]
