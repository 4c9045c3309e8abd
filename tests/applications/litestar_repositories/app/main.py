from advanced_alchemy.extensions.litestar import SQLAlchemyPlugin
from litestar import Litestar
from litestar.middleware import DefineMiddleware

from .controllers import ArticleController, EditorController, delete_comments, sign_up
from .database import alchemy
from .security import KeyAuthentication

app = Litestar(
    [sign_up, EditorController, ArticleController, delete_comments],
    middleware=[DefineMiddleware(KeyAuthentication, exclude=["^/schema"])],
    plugins=[SQLAlchemyPlugin(alchemy)],
)
