"""The webhook endpoint: checks an event, stores it durably, and only then answers 200.

Answers (newstore-api.md, section 4): 200 stored (duplicates too), or not ours; 400 not an event (the body
is quarantined here, because NewStore keeps only the last 30 rejected ones), 401 wrong key,
413 too large, 503 not stored or not arrived whole, send it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hmac
import logging
import time
import typing as t

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_newstore_fulfillment.errors import EventRejectedError, OtherEntityError, StoreUnavailableError
from tap_newstore_fulfillment.events import FulfillmentEvent, check_event
from tap_newstore_fulfillment.landing.quarantine import LONGEST_BODY
from tap_newstore_fulfillment.receiver.group_commit import GroupCommit
from tap_newstore_fulfillment.receiver.health import Health
from tap_newstore_fulfillment.receiver.integrations import AUDIT, ID
from tap_newstore_fulfillment.receiver.metrics import ReceiverMetrics
from tap_newstore_fulfillment.receiver.plain_http import COUNT_ANSWER, RETRY_AFTER_SECONDS
from tap_newstore_fulfillment.receiver.whole_body import CutOffError, NotWholeError, read_whole_body

if t.TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from starlette.requests import Request

    from tap_newstore_fulfillment.landing.loop_adds import OnOutcome, Outcome
    from tap_newstore_fulfillment.receiver.group_commit import Begin, Ended
    from tap_newstore_fulfillment.receiver.stores import AuditedStore, EventStore


logger = logging.getLogger("newstore-event-receiver")

MAX_BODY_BYTES = LONGEST_BODY
PATHS = ("/events", "/fulfillment_request")
#: A body beyond it is checked beside the event loop, or all others would wait.
LARGE_BODY = 2**18
LARGEST_GROUP = 500
MOST_WAITING = 10_000
#: How many wrong paths are logged; their number is counted, however many there are.
MOST_PATHS_LOGGED = 100
LONGEST_PATH_LOGGED = 200
NO_EVENT = "Answered %d: the body is no event; it is in quarantine, unless somebody has discarded the same before"


def create_app(
    store: EventStore,
    api_keys: Sequence[str],
    audited: AuditedStore | None = None,
    metrics_port: int | None = None,
) -> Starlette:
    """Build the receiver.

    Args:
        store: Where events are stored; the caller closes it.
        api_keys: Accepted bearer tokens: two while a key is being changed; without any, everybody may post.
        audited: The same store, for audits and what it shows in `/metrics`; None: it knows of neither.
        metrics_port: The only port that has `/healthz` and `/metrics`; None: each has.
    """
    receiver = _Receiver(store, api_keys, audited, metrics_port)
    app = Starlette(
        routes=[
            *(Route(path + end, receiver.receive, methods=["POST"]) for path in PATHS for end in ("", "/")),
            Route("/healthz", receiver.health, methods=["GET"]),
            Route("/metrics", receiver.show_metrics, methods=["GET"]),
        ],
        exception_handlers={404: receiver.refuse_path, 405: receiver.refuse_path, 500: receiver.fail},
        lifespan=receiver.lifespan,
    )
    app.router.redirect_slashes = False
    return app


class _Receiver:
    def __init__(
        self, store: EventStore, api_keys: Sequence[str], audited: AuditedStore | None, metrics_port: int | None
    ) -> None:
        self._store = store
        self._api_keys = [key.encode() for key in api_keys]
        self._audited = audited
        self._metrics_port = metrics_port
        self._health = Health(store.check)
        self._metrics = ReceiverMetrics()
        self._failing = False
        self._paths_logged: set[tuple[str, str]] = set()
        self._events: GroupCommit[FulfillmentEvent] = GroupCommit(
            self._store_group, self._in_loop, largest_group=LARGEST_GROUP, most_waiting=MOST_WAITING
        )
        #: What comes for an audit, beside the events themselves: live events do not wait for it.
        self._deliveries: GroupCommit[tuple[str, FulfillmentEvent]] = GroupCommit(
            self._store_audited, largest_group=LARGEST_GROUP, most_waiting=MOST_WAITING
        )

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[dict[str, t.Any]]:
        async with self._events.running(), self._deliveries.running():
            try:
                await run_in_threadpool(self._store.check)
            except StoreUnavailableError as error:
                self._unavailable(error)
            yield {COUNT_ANSWER: self._metrics.count_answer}

    async def receive(self, request: Request) -> Response:
        started = time.perf_counter()
        try:
            answer = await self._receive(request)
        except CutOffError as error:
            self._metrics.count_cut()
            return _send_again(str(error))
        except asyncio.CancelledError:
            # Nothing else cancels a request.
            answer = _send_again("the receiver is being stopped")
        self._metrics.count_answer(answer.status_code, time.perf_counter() - started)
        return answer

    async def health(self, request: Request) -> Response:
        self._check_port(request)
        return OK if await self._health.is_good() else _answer(503, "not healthy")

    async def show_metrics(self, request: Request) -> Response:
        self._check_port(request)
        if self._audited:
            # The counters are shown while the store is down, too.
            with contextlib.suppress(StoreUnavailableError):
                self._metrics.show_set_aside(await run_in_threadpool(self._audited.set_aside))
                self._metrics.show_oldest_set_aside(await run_in_threadpool(self._audited.oldest_set_aside))
                self._metrics.show_audits(await run_in_threadpool(self._audited.audit_figures))
                self._metrics.show_newest(await run_in_threadpool(self._audited.newest_published), time.time())
                self._metrics.show_backlog(await run_in_threadpool(self._audited.waiting_events))
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

    def _check_port(self, request: Request) -> None:
        if self._metrics_port is not None and request.scope["server"][1] != self._metrics_port:
            raise HTTPException(404)

    async def refuse_path(self, request: Request, error: Exception) -> Response:
        status: int = getattr(error, "status_code", 404)
        self._metrics.count_answer(status)
        # Not the path of `request.url`: that stands behind a Host header, which may be anything.
        called = request.method, request.scope["path"][:LONGEST_PATH_LOGGED]
        if called not in self._paths_logged and len(self._paths_logged) < MOST_PATHS_LOGGED:
            self._paths_logged.add(called)
            fields = {"method": called[0], "path": called[1], "status": status}
            logger.warning("Nothing is taken here; events go to %s", " or ".join(PATHS), extra={"fields": fields})
        return _answer(status, f"nothing is taken here; POST events to {' or '.join(PATHS)}")

    async def fail(self, request: Request, error: Exception) -> Response:
        self._metrics.count_answer(500)
        fields = {"path": request.scope["path"][:LONGEST_PATH_LOGGED], "error": type(error).__name__}
        logger.error("Answered 500: an error nobody foresaw", extra={"fields": fields})
        return _answer(500, "an error nobody foresaw; send it again")

    async def _receive(self, request: Request) -> Response:
        if not self._has_right_key(request):
            return _answer(401, "wrong or missing key in the Authorization header")
        try:
            body = await read_whole_body(request)
        except CutOffError:
            raise
        except NotWholeError as error:
            return self._ask_again(request, str(error))
        try:
            return await self._take(request, body)
        except StoreUnavailableError as error:
            return self._unavailable(error)

    async def _take(self, request: Request, body: bytes) -> Response:
        if len(body) > MAX_BODY_BYTES:
            return await self._quarantine(request, body, f"body: larger than {MAX_BODY_BYTES} bytes", status=413)
        try:
            event = check_event(body) if len(body) < LARGE_BODY else await run_in_threadpool(check_event, body)
            audit = self._audit_of(request)
            await (self._deliveries.add((audit, event)) if audit else self._events.add(event))
        except OtherEntityError as other:
            self._metrics.count_ignored(other.event_name)
            # Not sooner than events of ours: see there.
            await self._events.beside()
        except EventRejectedError as reason:
            return await self._quarantine(request, body, str(reason))
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - it would come again and again, and hold up the stream
            return await self._quarantine(request, body, f"an error nobody foresaw: {type(error).__name__}")
        return OK

    def _store_group(self, events: Sequence[FulfillmentEvent]) -> None:
        self._count(events, self._store.add(events))

    def _in_loop(self) -> Begin[FulfillmentEvent] | None:
        begin = self._store.in_loop()
        return functools.partial(self._begin_group, begin) if begin else None

    def _begin_group(
        self,
        begin: Callable[[Sequence[FulfillmentEvent], OnOutcome], None],
        events: Sequence[FulfillmentEvent],
        ended: Ended,
    ) -> None:
        def count(outcome: Outcome) -> None:
            if callable(outcome):
                ended(lambda: self._count(events, outcome()))
            else:
                # They are stored: whatever becomes of the figures, they are answered, and the next group begins.
                ended(None)
                self._count(events, outcome)

        begin(events, count)

    def _store_audited(self, deliveries: Sequence[tuple[str, FulfillmentEvent]]) -> None:
        if self._audited:
            self._count([event for _, event in deliveries], self._audited.add_audited(deliveries))

    def _count(self, events: Sequence[FulfillmentEvent], new: Mapping[str, int]) -> None:
        if self._failing:
            self._failing = False
            logger.info("The landing store takes events again")
        self._metrics.count_stored(events, new, time.time())

    async def _quarantine(self, request: Request, body: bytes, reason: str, status: int = 400) -> Response:
        path, audit = request.scope["path"], self._audit_of(request)
        add = functools.partial(self._audited.add_rejected_once, audit) if self._audited and audit else None
        await run_in_threadpool(
            add or self._store.add_rejected, body, path=path, reason=reason, received_at=time.time_ns() // 1_000_000
        )
        self._metrics.count_quarantined()
        # A reason names fields and types, never values.
        fields = {"path": path, "bytes": len(body), "reason": reason}
        logger.warning(NO_EVENT, status, extra={"fields": fields})
        return _answer(status, reason)

    def _audit_of(self, request: Request) -> str | None:
        """Return the audit that a delivery comes for: NewStore posts to the URL it was given, query and all."""
        if not (request.scope["query_string"] and self._audited):
            return None
        given = request.query_params.get(AUDIT, "")
        return given if ID.fullmatch(given) else None

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
        # What the database says is for the log: whoever posts need not know where it is.
        return _send_again("the landing store takes no events now; send it again")

    def _ask_again(self, request: Request, reason: str) -> Response:
        fields = {"path": request.scope["path"], "reason": reason}
        logger.warning("Answered 503: the body did not arrive whole", extra={"fields": fields})
        return _send_again(reason)


def _answer(status: int, error: str | None = None) -> Response:
    return JSONResponse({"error": error} if error else {"status": "ok"}, status_code=status)


def _send_again(reason: str) -> Response:
    return JSONResponse({"error": reason}, status_code=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


OK = _answer(200)
