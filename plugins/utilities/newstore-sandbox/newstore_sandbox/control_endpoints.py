"""Control endpoints for demos and tests, under `/sandbox/`."""

from __future__ import annotations

import dataclasses
import logging
import typing as t

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from newstore_sandbox import stream_endpoints
from newstore_sandbox.call_faults import read_call_faults
from newstore_sandbox.errors import CallError
from newstore_sandbox.newstore_endpoints import error_answer, read_json
from newstore_sandbox.sandbox import MOVES
from newstore_sandbox.stock import HeldBack

if t.TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.requests import Request

    from newstore_sandbox.sandbox import Sandbox

logger = logging.getLogger("newstore-sandbox")

SHOWN_ITEMS = 1000
Body = dict[str, t.Any]


def routes(sandbox: Sandbox) -> list[Route]:
    """Return the control routes."""
    control = _Control(sandbox)

    def endpoint(call: Callable[[Request, Body], t.Any], status: int) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            try:
                body = await read_json(request) if await request.body() else {}
                if not isinstance(body, dict):
                    raise CallError(400, "invalid_request", "body: expected a JSON object")
                return JSONResponse(await run_in_threadpool(call, request, body), status_code=status)
            except KeyError as error:
                return error_answer(CallError(400, "invalid_request", f"{error.args[0]}: required"))
            except CallError as error:
                return error_answer(error)
            except (TypeError, ValueError, AttributeError, ImportError, OSError) as error:
                # A value of another type than is asked for, or a place that cannot be written.
                logger.warning("%s %s", request.method, request.url.path, exc_info=True)
                return error_answer(CallError(400, "invalid_request", str(error) or type(error).__name__))

        return handle

    table: list[tuple[str, str, Callable[[Request, Body], t.Any], int]] = [
        ("POST", "/sandbox/locations", control.add_location, 201),
        ("POST", "/sandbox/stock", control.set_stock, 200),
        ("POST", "/sandbox/shelf", control.set_shelf, 200),
        ("POST", "/sandbox/held_back", control.hold_back, 200),
        ("GET", "/sandbox/insights", control.insights, 200),
        ("POST", "/sandbox/orders", control.place_order, 201),
        ("POST", "/sandbox/orders/{order_id}/{move}", control.move_units, 200),
        ("GET", "/sandbox/truth", control.truth, 200),
        ("GET", "/sandbox/events", control.events, 200),
        ("GET", "/sandbox/imports", control.imports, 200),
        ("GET", "/sandbox/faults", control.show_faults, 200),
        ("POST", "/sandbox/faults", control.set_faults, 200),
        ("GET", "/sandbox/delivery", control.delivery, 200),
        ("GET", "/sandbox/delivery/wait", control.wait_for_delivery, 200),
        ("POST", "/sandbox/delivery/pause", control.pause, 200),
        ("POST", "/sandbox/delivery/resume", control.resume, 200),
        ("POST", "/sandbox/delivery/redeliver", control.redeliver, 200),
        *stream_endpoints.control(sandbox),
    ]
    return [Route(path, endpoint(call, status), methods=[method]) for method, path, call, status in table]


class _Control:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def add_location(self, _request: Request, body: Body) -> Body:
        node, kind = body["id"], body["type"]
        if kind not in ("dc", "store"):
            raise CallError(400, "invalid_request", "type: expected dc or store")
        with self._sandbox.lock:
            self._sandbox.add_location(
                node,
                node if kind == "store" else "",
                is_inventory_master=body.get("is_inventory_master", False),
            )
            return self._sandbox.locations[node]

    def set_stock(self, _request: Request, body: Body) -> Body:
        with self._sandbox.lock:
            for key, item in _keys(body):
                if key[0] not in self._sandbox.locations:
                    raise CallError(400, "invalid_request", f"fulfillment_node_id: no location {key[0]}")
                self._sandbox.stock.tell_number(key, _whole(item, "on_hand"))
        return {}

    def set_shelf(self, _request: Request, body: Body) -> Body:
        shelf = self._sandbox.stock.shelf
        with self._sandbox.lock:
            for key, item in _keys(body):
                shelf[key] = shelf.get(key, 0) + _whole(item, "delta") if "delta" in item else _whole(item, "quantity")
        return {}

    def hold_back(self, _request: Request, body: Body) -> Body:
        names = [field.name for field in dataclasses.fields(HeldBack)]
        sandbox = self._sandbox
        with sandbox.lock:
            for key, item in _keys(body):
                held_back = HeldBack(**{name: _whole({name: 0, **item}, name) for name in names})
                if held_back.future and sandbox.locations.get(key[0], {}).get("type") != "dc":
                    raise CallError(400, "invalid_request", "future: only distribution centres have future inventory")
                sandbox.stock.held_back[key] = held_back
        return {}

    def insights(self, _request: Request, _body: Body) -> Body:
        rate = self._sandbox.insight_rate
        return {"calls": rate.calls, "refused": rate.refused, "most_in_a_second": rate.most}

    def place_order(self, _request: Request, body: Body) -> Body:
        products = [
            item["product_id"] for item in _items(body) for _ in range(_whole({"quantity": 1, **item}, "quantity"))
        ]
        if not products:
            raise CallError(400, "invalid_request", "items: expected at least one unit")
        return self._sandbox.place_order(
            body["fulfillment_node_id"],
            products,
            order_id=body.get("order_id"),
            service_level=body.get("service_level", "STANDARD"),
            force=body.get("force", False),
        )

    def move_units(self, request: Request, body: Body) -> Body:
        move = request.path_params["move"]
        if move not in MOVES:
            raise CallError(404, "not_found", f"{move}: expected one of {', '.join(MOVES)}")
        return self._sandbox.move_units(request.path_params["order_id"], MOVES[move], body.get("item_ids"))

    def truth(self, _request: Request, _body: Body) -> Body:
        with self._sandbox.lock:
            return self._sandbox.stock.truth()

    def events(self, request: Request, _body: Body) -> Body:
        after = int(request.query_params.get("after", "0"))
        return {"events": [dataclasses.asdict(event) for event in self._sandbox.publisher.published[after:]]}

    def imports(self, _request: Request, _body: Body) -> Body:
        with self._sandbox.lock:
            jobs = self._sandbox.jobs
            rest = [job for job in jobs.all.values() if job not in jobs.applied]
            rows = []
            for job in [*jobs.applied, *rest]:
                file = job.file or {"head": None, "items": []}
                rows.append(
                    job.public()
                    | {"head": file["head"], "size": len(file["items"]), "items": file["items"][:SHOWN_ITEMS]}
                )
            return {"imports": rows}

    def show_faults(self, _request: Request, _body: Body) -> Body:
        return t.cast("Body", msgspec.to_builtins(self._sandbox.faults))

    def set_faults(self, request: Request, body: Body) -> Body:
        names = {field.name for field in dataclasses.fields(self._sandbox.faults)}
        for name, value in body.items():
            if name not in names:
                raise CallError(400, "invalid_request", f"{name}: expected one of {', '.join(sorted(names))}")
            setattr(self._sandbox.faults, name, read_call_faults(value) if name == "calls" else value)
        return self.show_faults(request, body)

    def delivery(self, _request: Request, _body: Body) -> Body:
        publisher = self._sandbox.publisher
        return {
            "pending": publisher.pending(),
            "accepted": sum(event.status == "accepted" for event in publisher.published),
            "rejected": [dataclasses.asdict(event) for event in publisher.rejected()],
        }

    def wait_for_delivery(self, request: Request, _body: Body) -> Body:
        seconds = float(request.query_params.get("seconds", "10"))
        if not self._sandbox.publisher.wait_until_delivered(seconds):
            raise CallError(504, "not_delivered", f"events are still pending after {seconds} s")
        return {}

    def pause(self, _request: Request, _body: Body) -> Body:
        self._sandbox.publisher.pause(paused=True)
        return {}

    def resume(self, _request: Request, _body: Body) -> Body:
        self._sandbox.publisher.pause(paused=False)
        return {}

    def redeliver(self, _request: Request, body: Body) -> Body:
        seed = body.get("seed", 0) if body.get("shuffle") else None
        return {"deliveries": self._sandbox.publisher.redeliver(body.get("times", 1), seed)}


def _items(body: Body) -> list[Body]:
    items = body["items"]
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise CallError(400, "invalid_request", "items: expected a list of objects")
    return items


def _keys(body: Body) -> Iterator[tuple[tuple[str, str], Body]]:
    """Yield the items with their keys: location, product."""
    for item in _items(body):
        yield (item["fulfillment_node_id"], item["product_id"]), item


def _whole(item: Body, name: str) -> int:
    value = item[name]
    if type(value) is not int:
        raise CallError(400, "invalid_request", f"{name}: expected a whole number, got {value!r}")
    return value
