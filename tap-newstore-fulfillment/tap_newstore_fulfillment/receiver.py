"""The webhook endpoint: checks an event, keeps it durably, and only then answers 200.

Answers (newstore-api.md, section 4): 200 kept (a duplicate too), 400 not an event (the body
goes to quarantine, because NewStore keeps only its last 30 rejected), 401 wrong key,
413 too large, 503 not kept, send again.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import time
import typing as t

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_newstore_fulfillment.errors import EventRejectedError, StoreUnavailableError
from tap_newstore_fulfillment.events import FulfillmentEvent, check_event
from tap_newstore_fulfillment.group_commit import GroupCommit

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from tap_newstore_fulfillment.landing import LandingStore

logger = logging.getLogger("newstore-event-receiver")

MAX_BODY_BYTES = 10 * 2**20
LARGEST_GROUP = 500
MOST_WAITING = 10_000
RETRY_AFTER_SECONDS = 5


def create_app(store: LandingStore, api_key: str | None) -> Starlette:
    """Build the receiver.

    Args:
        store: Where events are kept; the caller closes it.
        api_key: What NewStore must send as bearer token; None accepts everybody.
    """
    receiver = _Receiver(store, api_key)
    return Starlette(
        routes=[
            Route("/events", receiver.receive, methods=["POST"]),
            Route("/fulfillment_request", receiver.receive, methods=["POST"]),
            Route("/healthz", receiver.health, methods=["GET"]),
        ],
        lifespan=receiver.lifespan,
    )


class _Receiver:
    def __init__(self, store: LandingStore, api_key: str | None) -> None:
        self._store = store
        self._api_key = api_key

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> t.AsyncIterator[None]:
        self._events: GroupCommit[FulfillmentEvent] = GroupCommit(
            self._keep, largest_group=LARGEST_GROUP, most_waiting=MOST_WAITING
        )
        async with self._events.running():
            yield

    async def receive(self, request: Request) -> Response:
        if not self._key_is_right(request):
            return _answer(401, "wrong or missing key in the Authorization header")
        body = await _read_body(request)
        if body is None:
            return _answer(413, f"body: larger than {MAX_BODY_BYTES} bytes")
        try:
            event = check_event(body)
        except EventRejectedError as reason:
            return await self._quarantine(request, body, str(reason))
        try:
            await self._events.add(event)
        except StoreUnavailableError as error:
            return _not_kept(error)
        return _answer(200)

    async def health(self, _request: Request) -> Response:
        try:
            await run_in_threadpool(self._store.check)
        except StoreUnavailableError as error:
            return _not_kept(error)
        return _answer(200)

    def _keep(self, events: Sequence[FulfillmentEvent]) -> None:
        self._store.add(events, received_at=_epoch_ms())

    async def _quarantine(self, request: Request, body: bytes, reason: str) -> Response:
        path = request.url.path

        def keep() -> None:
            self._store.add_rejected(body, path=path, reason=reason, received_at=_epoch_ms())

        try:
            await run_in_threadpool(keep)
        except StoreUnavailableError as error:
            return _not_kept(error)
        logger.warning("Rejected a body on %s, kept in quarantine: %s", path, reason)
        return _answer(400, reason)

    def _key_is_right(self, request: Request) -> bool:
        if self._api_key is None:
            return True
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(key.strip().encode(), self._api_key.encode())
        return right and scheme.lower() == "bearer"


async def _read_body(request: Request) -> bytes | None:
    """Give the body, or None when it is too large; no more than the limit is ever held."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _answer(status: int, error: str | None = None) -> Response:
    return JSONResponse({"error": error} if error else {"status": "ok"}, status_code=status)


def _not_kept(error: StoreUnavailableError) -> Response:
    logger.error("Answered 503: %s", error)
    return JSONResponse({"error": str(error)}, status_code=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _epoch_ms() -> int:
    return time.time_ns() // 1_000_000
