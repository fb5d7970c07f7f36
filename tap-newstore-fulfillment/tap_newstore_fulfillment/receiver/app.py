"""The webhook endpoint: checks an event, stores it durably, and only then answers 200.

Answers (newstore-api.md, section 4): 200 stored (duplicates too), 400 not an event (the body
is quarantined here, because NewStore keeps only the last 30 rejected ones), 401 wrong key,
413 too large, 503 not stored, send it again.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import time
import typing as t

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_newstore_fulfillment.errors import EventRejectedError, StoreUnavailableError
from tap_newstore_fulfillment.events import FulfillmentEvent, check_event
from tap_newstore_fulfillment.receiver.group_commit import GroupCommit
from tap_newstore_fulfillment.receiver.metrics import ReceiverMetrics

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    class EventStore(t.Protocol):
        """What the receiver needs of the landing store; its methods raise StoreUnavailableError."""

        def add(self, events: Sequence[FulfillmentEvent]) -> Mapping[str, int]:
            """Store events durably; return how many were new, by event name."""

        def add_rejected(self, body: bytes, *, path: str, reason: str, received_at: int) -> None:
            """Store a refused body durably."""

        def check(self) -> None:
            """Return if the store answers."""


logger = logging.getLogger("newstore-event-receiver")

MAX_BODY_BYTES = 10 * 2**20
LARGEST_GROUP = 500
MOST_WAITING = 10_000
RETRY_AFTER_SECONDS = 5


def create_app(store: EventStore, api_keys: Sequence[str]) -> Starlette:
    """Build the receiver.

    Args:
        store: Where events are stored; the caller closes it.
        api_keys: Accepted bearer tokens: two while a key is being changed; without any, everybody may post.
    """
    receiver = _Receiver(store, api_keys)
    return Starlette(
        routes=[
            Route("/events", receiver.receive, methods=["POST"]),
            Route("/fulfillment_request", receiver.receive, methods=["POST"]),
            Route("/healthz", receiver.health, methods=["GET"]),
            Route("/metrics", receiver.show_metrics, methods=["GET"]),
        ],
        lifespan=receiver.lifespan,
    )


class _Receiver:
    def __init__(self, store: EventStore, api_keys: Sequence[str]) -> None:
        self._store = store
        self._api_keys = [key.encode() for key in api_keys]
        self._metrics = ReceiverMetrics()
        self._failing = False
        self._events: GroupCommit[FulfillmentEvent] = GroupCommit(
            self._store_group, largest_group=LARGEST_GROUP, most_waiting=MOST_WAITING
        )

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> t.AsyncIterator[None]:
        async with self._events.running():
            yield

    async def receive(self, request: Request) -> Response:
        started = time.perf_counter()
        answer = await self._receive(request)
        self._metrics.count_answer(answer.status_code, time.perf_counter() - started)
        return answer

    async def health(self, _request: Request) -> Response:
        try:
            await run_in_threadpool(self._store.check)
        except StoreUnavailableError as error:
            return self._unavailable(error)
        return OK

    async def show_metrics(self, _request: Request) -> Response:
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

    async def _receive(self, request: Request) -> Response:
        if not self._has_right_key(request):
            return _answer(401, "wrong or missing key in the Authorization header")
        try:
            body = await _read_body(request)
        except ClientDisconnect:
            # Nobody reads this answer; NewStore sends the event again.
            return _answer(400, "body: the connection was closed before the end")
        if body is None:
            return _answer(413, f"body: larger than {MAX_BODY_BYTES} bytes")
        try:
            event = check_event(body)
        except EventRejectedError as reason:
            return await self._quarantine(request, body, str(reason))
        try:
            await self._events.add(event)
        except StoreUnavailableError as error:
            return self._unavailable(error)
        return OK

    def _store_group(self, events: Sequence[FulfillmentEvent]) -> None:
        new = self._store.add(events)
        if self._failing:
            self._failing = False
            logger.info("The landing store takes events again")
        self._metrics.count_stored(events, new, time.time())

    async def _quarantine(self, request: Request, body: bytes, reason: str) -> Response:
        path = request.url.path

        def add() -> None:
            self._store.add_rejected(body, path=path, reason=reason, received_at=time.time_ns() // 1_000_000)

        try:
            await run_in_threadpool(add)
        except StoreUnavailableError as error:
            return self._unavailable(error)
        self._metrics.count_quarantined()
        # A reason names fields and types, never values.
        fields = {"path": path, "bytes": len(body), "reason": reason}
        logger.warning("Answered 400: the body is not an event; it is in quarantine", extra={"fields": fields})
        return _answer(400, reason)

    def _has_right_key(self, request: Request) -> bool:
        if not self._api_keys:
            return True
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        given = key.strip().encode()
        # Compare with every key, each in constant time: the time taken reveals nothing.
        right = [hmac.compare_digest(given, api_key) for api_key in self._api_keys]
        return any(right) and scheme.lower() == "bearer"

    def _unavailable(self, error: StoreUnavailableError) -> Response:
        if not self._failing:
            self._failing = True
            logger.error("Answering 503 until the landing store takes events again: %s", error)
        return JSONResponse({"error": str(error)}, status_code=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


async def _read_body(request: Request) -> bytes | None:
    """Return the body, or None if it is too large; never holds more than the limit."""
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


OK = _answer(200)
