"""The HTTP application of a sandbox."""

from __future__ import annotations

import contextlib
import typing as t

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from newstore_sandbox import control_endpoints, newstore_endpoints
from newstore_sandbox.access import Access

if t.TYPE_CHECKING:
    from newstore_sandbox.sandbox import Sandbox


def create_app(sandbox: Sandbox) -> Starlette:
    """Return the application; its lifespan starts and stops the sandbox's threads."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> t.AsyncIterator[None]:
        sandbox.start()
        try:
            yield
        finally:
            sandbox.stop()

    routes: list[Route | Mount] = [
        *newstore_endpoints.routes(sandbox, Access(sandbox.options)),
        *control_endpoints.routes(sandbox),
    ]
    if sandbox.options.staging_dir:
        routes.append(Mount("/staging", StaticFiles(directory=sandbox.options.staging_dir)))
    return Starlette(routes=routes, lifespan=lifespan)
