"""Calls that fail on purpose: refused, answered late, cut off, or carried out without an answer."""

from __future__ import annotations

import asyncio
import fnmatch
import typing as t

import msgspec
from starlette.responses import JSONResponse, Response

from newstore_sandbox.errors import CallError

if t.TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

POLL_SECONDS = 0.02


class CallFault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A fault in the next calls of one kind.

    Attributes:
        method: HTTP method.
        path: Path, with `*` globs.
        times: How many calls it hits.
        happens: Carry the call out anyway; only its answer is lost.
        delay_seconds: Delay of the answer, unless the caller hangs up.
        status: Status to answer instead; None sends the real answer.
        body: Body sent with the status: a JSON object, or text that is not JSON.
        headers: Headers sent with the status.
        cut_off: Close the connection in the middle of the answer.
    """

    method: str
    path: str
    times: int = 1
    happens: bool = False
    delay_seconds: float = 0.0
    status: int | None = None
    body: dict[str, t.Any] | str = msgspec.field(default_factory=dict)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    cut_off: bool = False

    def hits(self, request: Request) -> bool:
        """Return whether the fault applies to this call."""
        return self.times > 0 and self.method == request.method and fnmatch.fnmatchcase(request.url.path, self.path)


def read_call_faults(given: t.Any) -> list[CallFault]:
    """Return the faults given as JSON.

    Raises:
        CallError: one is invalid; names the field.
    """
    try:
        return msgspec.convert(given, list[CallFault])
    except msgspec.ValidationError as error:
        raise CallError(400, "invalid_request", f"calls: {error}") from error


async def answer_with_faults(
    faults: list[CallFault], request: Request, answer: Callable[[], Awaitable[Response]]
) -> Response:
    """Answer a call, with the first fault that applies to it."""
    fault = next((fault for fault in faults if fault.hits(request)), None)
    if fault is None:
        return await answer()
    fault.times -= 1
    real = await answer() if fault.happens or fault.status is None else None
    await _wait(request, fault.delay_seconds)
    return _cut_off(fault, real) if fault.cut_off else _faulty_answer(fault, real)


async def _wait(request: Request, seconds: float) -> None:
    """Wait, but stop when the caller hangs up."""
    for _ in range(int(seconds / POLL_SECONDS)):
        if await request.is_disconnected():
            return
        await asyncio.sleep(POLL_SECONDS)


def _faulty_answer(fault: CallFault, real: Response | None) -> Response:
    if fault.status is None and real is not None:
        return real
    if isinstance(fault.body, str):
        return Response(fault.body, fault.status or 200, fault.headers, media_type="text/html")
    return JSONResponse(fault.body, fault.status or 200, fault.headers)


def _cut_off(fault: CallFault, real: Response | None) -> Response:
    whole = _faulty_answer(fault, real)
    return _HalfAnswer(bytes(whole.body), whole.status_code, media_type="application/json")


class _HalfAnswer(Response):
    """Announces the whole body, sends half of it, and lets the server close the connection."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
