"""The pages as an application; each request reads the ledger once, in a thread."""

from __future__ import annotations

import functools
import logging
import typing as t

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mapper_newstore_stock.errors import MapperError
from mapper_newstore_stock.ledger.database import short
from mapper_newstore_stock.serve import access, pages
from mapper_newstore_stock.serve.layout import document, note, style

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    Page = Callable[[sa.Connection, Request], str]


logger = logging.getLogger("newstore-stock-ledger")


def create_app(engine: sa.Engine, given: pages.Given, key: str | None, host: str) -> Starlette:
    """Return the application.

    Args:
        engine: To the ledger, for reading.
        given: Where to look beside it.
        key: The key of the pages; None: they are open.
        host: The address served.
    """
    shown: dict[str, Page] = {
        "/": lambda connection, _request: pages.overview(connection, given),
        "/keys": lambda connection, request: pages.keys(connection, request.query_params.get("q", "")),
        "/key": lambda connection, request: pages.key(
            connection, given, request.query_params.get("node", ""), request.query_params.get("product", "")
        ),
        "/imports": lambda connection, _request: pages.imports(connection, given),
        "/attention": lambda connection, _request: pages.attention(connection),
        "/health": lambda connection, _request: pages.health(connection, given),
    }
    routes = [Route(path, functools.partial(_answer, engine, page), methods=["GET"]) for path, page in shown.items()]
    style_sheet = style()

    async def log_in(request: Request) -> Response:
        return await access.log_in(request, key)

    async def send_style(_request: Request) -> Response:
        return Response(style_sheet, media_type="text/css")

    return Starlette(
        routes=[*routes, Route("/login", log_in, methods=["GET", "POST"]), Route("/style.css", send_style)],
        middleware=[Middleware(access.Access, key=key, host=host)],
        exception_handlers={404: _no_such_page, 405: _no_such_page},
    )


async def _no_such_page(_request: Request, error: Exception) -> Response:
    says = note("There is no such page. The links above lead to those there are; a key is found by the search.")
    return HTMLResponse(document("Not here", "", says), getattr(error, "status_code", 404))


async def _answer(engine: sa.Engine, page: Page, request: Request) -> Response:
    def read() -> str:
        with engine.connect() as connection:
            return page(connection, request)

    try:
        return HTMLResponse(await run_in_threadpool(read))
    except MapperError as error:
        return HTMLResponse(document("Not here", "", note(str(error))), 404)
    except (sa.exc.SQLAlchemyError, UnicodeError) as error:
        return HTMLResponse(document("Not now", "", note(f"The ledger cannot be read: {short(error)}")), 503)
    except Exception as error:  # noqa: BLE001 - one page that fails is said in one line, and the others go on
        logger.error("%s: an error nobody foresaw: %s", request.scope["path"], type(error).__name__)
        return HTMLResponse(document("Not now", "", note("This page cannot be shown; the log of serve says why.")), 500)
