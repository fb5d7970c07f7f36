"""Who may read the pages: with a key, as Bearer or from a login form; without one, who asks for this machine itself."""

from __future__ import annotations

import hashlib
import hmac
import typing as t
import urllib.parse

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from mapper_newstore_stock.report.markup import element
from mapper_newstore_stock.serve.layout import document

if t.TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "newstore-stock"
OPEN_PATHS = ("/style.css", "/login")
#: Nothing is fetched but the style sheet, nothing is run, forms go nowhere else.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
MOST_LOGIN_BYTES = 4096


class Access:
    """Lets requests through that may read, and gives each answer its headers.

    Args:
        app: What answers them.
        key: The key; None: whoever reaches the loopback address may read.
        host: The address served, as a browser names it.
    """

    def __init__(self, app: ASGIApp, key: str | None, host: str) -> None:
        self._app = app
        self._key = key
        self._hosts = {"localhost", "127.0.0.1", "[::1]", host}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        answer = self._refusal(Request(scope)) or self._app
        await answer(scope, receive, with_headers)

    def _refusal(self, request: Request) -> Response | None:
        """Return why a request is not answered; None: it is."""
        if self._key is None:
            # A page elsewhere could have its own name lead here.
            name = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
            return None if name in self._hosts else PlainTextResponse("unknown host name\n", 400)
        # What was routed: the path in `request.url` stands behind a Host header, which may be anything.
        if request.scope["path"] in OPEN_PATHS or self._has_key(request, self._key):
            return None
        return login_page(401)

    def _has_key(self, request: Request, key: str) -> bool:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and is_same(given.strip(), key):
            return True
        return is_same(request.cookies.get(COOKIE, ""), session_of(key))


def is_same(given: str, wanted: str) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def session_of(key: str) -> str:
    """Return what the cookie of somebody who knows the key holds: not the key, and void when the key changes."""
    return hmac.new(key.encode(), b"newstore-stock-ledger serve", hashlib.sha256).hexdigest()


def login_page(status: int = 200, said: str = "") -> Response:
    """Return the form that asks for the key."""
    field = element("input", id="key", type="password", name_="key", required="", autocomplete="current-password")
    form = element(
        "form",
        element("label", "Key", for_="key"),
        field,
        element("button", "Log in", type="submit"),
        method="post",
        action="/login",
        class_="login",
    )
    note = element("p", said or "This page needs the key it was started with.", class_="note", role="status")
    return HTMLResponse(
        document("Log in", None, note, form), status, headers={"WWW-Authenticate": "Bearer"} if status == 401 else None
    )


async def log_in(request: Request, key: str | None) -> Response:
    """Answer what the login form sends."""
    if request.method == "GET" or key is None:
        return login_page()
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_LOGIN_BYTES:
            return login_page(413, "That is no key.")
    given = urllib.parse.parse_qs(body.decode(errors="replace")).get("key", [""])[0]
    if not is_same(given, key):
        return login_page(401, "That is not the key.")
    answer = RedirectResponse("/", 303)
    is_secure = request.scope["scheme"] == "https"
    answer.set_cookie(COOKIE, session_of(key), httponly=True, samesite="strict", secure=is_secure)
    return answer
