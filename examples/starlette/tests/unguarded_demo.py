"""The demonstration with the guard switched off, to see that it notices."""

from __future__ import annotations

import sys
from typing import Any
from unittest.mock import patch

from starlette.types import ASGIApp, Receive, Scope, Send

from examples.starlette.demo import main
from tenantshield_mw import system_scope


class WithoutTenants:
    """Takes the middleware's place and lets every request see everything."""

    def __init__(self, app: ASGIApp, **options: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with system_scope("what happens without the guard"):
            await self.app(scope, receive, send)


if __name__ == "__main__":
    with patch("examples.starlette.app.TenantSessionMiddleware", WithoutTenants):
        sys.exit(main(["--once"]))
