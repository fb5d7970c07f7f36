"""Endpoints of NewStore's own API (newstore-api.md, sections 1, 2 and 6)."""

from __future__ import annotations

import json
import typing as t
import uuid

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from newstore_sandbox import stream_endpoints
from newstore_sandbox.call_faults import answer_with_faults
from newstore_sandbox.errors import CallError
from newstore_sandbox.stock import HeldBack

if t.TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from newstore_sandbox.access import Access
    from newstore_sandbox.import_jobs import Job
    from newstore_sandbox.sandbox import Sandbox
    from newstore_sandbox.stock import Unit

    Endpoint = Callable[[Request], Awaitable[Response]]

MOST_ATP_KEYS = 2000
#: Of each list of the stock insights.
MOST_INSIGHTS = 1000


def routes(sandbox: Sandbox, access: Access) -> list[Route]:
    """Return the routes of NewStore's own API."""
    calls = _Calls(sandbox)

    def guarded(call: Callable[[Request, t.Any], Response]) -> Endpoint:
        async def answer(request: Request) -> Response:
            try:
                access.check(request.headers.get("authorization"))
                body = await read_json(request) if _has_body(request) else None
                with sandbox.lock:
                    return call(request, body)
            except CallError as error:
                return error_answer(error)

        return with_faults(answer)

    async def token(request: Request) -> Response:
        status, body = access.token(request.path_params["realm"], await request.form())
        return JSONResponse(body, status_code=status)

    def with_faults(answer: Endpoint) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            return await answer_with_faults(sandbox.faults.calls, request, lambda: answer(request))

        return endpoint

    return [
        Route("/auth/realms/{realm}/protocol/openid-connect/token", with_faults(token), methods=["POST"]),
        Route("/v0/d/import", guarded(calls.create_import), methods=["POST"]),
        Route("/v0/d/import", guarded(calls.list_imports), methods=["GET"]),
        Route("/v0/d/import/{id}", guarded(calls.show_import), methods=["GET"]),
        Route("/v0/d/import/{id}/errors", guarded(calls.import_errors), methods=["GET"]),
        Route("/v0/d/import/{id}/start", guarded(calls.start_import), methods=["POST"]),
        Route("/v0/d/import/{id}/set_fail", guarded(calls.fail_import), methods=["POST"]),
        Route("/v0/availabilities", guarded(calls.availabilities), methods=["POST"]),
        Route("/v0/stock/insights", guarded(calls.insights), methods=["GET"]),
        Route("/v0/d/availabilities/bulk", guarded(calls.create_bulk), methods=["POST"]),
        Route("/v0/d/availabilities/bulk/{id}", guarded(calls.show_bulk), methods=["GET"]),
        Route("/availability_exports/{id}", with_faults(calls.bulk_file), methods=["GET"]),
        Route("/v0/locations", guarded(calls.locations), methods=["GET"]),
        *(
            Route(path, guarded(_answering(call, status)), methods=[method])
            for method, path, call, status in stream_endpoints.configuration(sandbox)
        ),
    ]


def _has_body(request: Request) -> bool:
    """Return whether a call carries JSON."""
    is_action = request.url.path.rsplit("/", 1)[-1].startswith("_")
    return request.method in ("POST", "PATCH") and not is_action


def _answering(call: Callable[[Request, t.Any], t.Any], status: int) -> Callable[[Request, t.Any], Response]:
    return lambda request, body: JSONResponse(call(request, body), status_code=status)


class _Calls:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._jobs = sandbox.jobs

    def create_import(self, _request: Request, body: t.Any) -> Response:
        faults = self._sandbox.faults
        job = self._jobs.create(body, leaves_job_on_429=faults.create_429_leaves_job)
        if faults.starts_received_jobs:
            self._jobs.start(job.import_id, {"transformed_uri": job.source_uri})
        return JSONResponse({"id": job.import_id})

    def list_imports(self, request: Request, _body: None) -> Response:
        state = request.query_params.get("filter[state]")
        jobs = [job.public(self._word(job)) for job in self._jobs.all.values()]
        return JSONResponse({"items": [job for job in jobs if state in (None, job["state"])]})

    def show_import(self, request: Request, _body: None) -> Response:
        job = self._jobs.get(request.path_params["id"])
        return JSONResponse(job.public(self._word(job)))

    def _word(self, job: Job) -> str | None:
        return self._sandbox.faults.state_word if job.state == "waiting" else None

    def import_errors(self, request: Request, _body: None) -> Response:
        return JSONResponse(self._jobs.get(request.path_params["id"]).errors)

    def start_import(self, request: Request, body: t.Any) -> Response:
        return JSONResponse({"id": self._jobs.start(request.path_params["id"], body).import_id})

    def fail_import(self, request: Request, body: t.Any) -> Response:
        return JSONResponse({"id": self._jobs.set_fail(request.path_params["id"], body).import_id})

    def availabilities(self, _request: Request, body: t.Any) -> Response:
        keys = body.get("atp_keys") if isinstance(body, dict) else None
        if not isinstance(keys, list) or not 1 <= len(keys) <= MOST_ATP_KEYS:
            raise CallError(400, "invalid_request", f"atp_keys: expected 1 to {MOST_ATP_KEYS} keys")
        items = []
        for key in keys:
            node, product = str(key.get("fulfillment_node_id")), str(key.get("product_id"))
            atp = self._sandbox.late_atp.shown((node, product), self._sandbox.stock.atp((node, product)))
            if atp is not None:
                items.append({"product_id": product, "fulfillment_node_id": node, "atp": atp})
        return JSONResponse({"items": items})

    def insights(self, request: Request, _body: None) -> Response:
        query = request.query_params
        if not query.get("product_id") or not query.get("fulfillment_node_id"):
            raise CallError(400, "invalid_request", "product_id, fulfillment_node_id: required")
        self._sandbox.insight_rate.take()
        key = (query["fulfillment_node_id"], query["product_id"])
        held_back = self._sandbox.stock.held_back.get(key, HeldBack())
        lists = {
            "allocations": [_allocation(unit) for unit in self._sandbox.stock.units_of(key)],
            "reservations": [{"id": f"reservation-{number}"} for number in range(held_back.reservations)],
            "future_allocations": [{"order_id": f"later-{n}"} for n in range(held_back.future_allocations)],
        }
        return JSONResponse({name: rows[:MOST_INSIGHTS] for name, rows in lists.items()})

    def create_bulk(self, _request: Request, body: t.Any) -> Response:
        sandbox = self._sandbox
        shown = {key: sandbox.late_atp.shown(key, atp) for key, atp in sandbox.stock.all_atp().items()}
        atp = {key: number for key, number in shown.items() if number is not None}
        return JSONResponse(
            {"availability_export_id": sandbox.bulk_exports.create(body, atp, sandbox.faults.bulk_seconds)}
        )

    def show_bulk(self, request: Request, _body: None) -> Response:
        export_id = request.path_params["id"]
        link = f"{request.base_url}availability_exports/{export_id}"
        return JSONResponse(self._sandbox.bulk_exports.show(export_id, link))

    async def bulk_file(self, request: Request) -> Response:
        """Serve a file behind a link that is its own permission, as an object store's is."""
        try:
            return Response(self._sandbox.bulk_exports.file(request.path_params["id"]), media_type="application/json")
        except CallError as error:
            return error_answer(error)

    def locations(self, _request: Request, _body: None) -> Response:
        shown = ("id", "is_inventory_master", "is_enabled", "type")
        rows = [{name: location[name] for name in shown} for location in self._sandbox.locations.values()]
        return JSONResponse({"locations": rows})


def _allocation(unit: Unit) -> dict[str, t.Any]:
    return {
        "order_id": unit.order_id,
        "fulfillment_request_id": unit.fulfillment_request_id,
        "item_id": unit.item_id,
        "state": "allocated" if unit.is_open else "completed",
        "logical_timestamp": unit.completed_at,
    }


async def read_json(request: Request) -> t.Any:
    """Return the JSON body.

    Raises:
        CallError: the body is not JSON.
    """
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise CallError(400, "invalid_request", "body: not JSON") from error


def error_answer(error: CallError) -> JSONResponse:
    """Return an error in NewStore's shape."""
    return JSONResponse(
        {"error_code": error.code, "message": error.message, "request_id": str(uuid.uuid4())},
        status_code=error.status,
        headers=None if error.retry_after is None else {"Retry-After": str(error.retry_after)},
    )
