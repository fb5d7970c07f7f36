"""One tenant: its locations, stock, orders and imports, behind one lock."""

from __future__ import annotations

import dataclasses
import itertools
import threading
import typing as t
import uuid

from newstore_sandbox import stock_file
from newstore_sandbox.bulk_exports import BulkExports
from newstore_sandbox.delivery import Disorder
from newstore_sandbox.errors import CallError, StockFileError
from newstore_sandbox.events import ASSIGNED, COMPLETED, FAILED, READY, Shape
from newstore_sandbox.import_jobs import Job, JobOrder, Jobs
from newstore_sandbox.insight_rate import InsightRate
from newstore_sandbox.late_atp import LateAtp
from newstore_sandbox.publisher import Publisher
from newstore_sandbox.stock import Scope, Stock, Unit

if t.TYPE_CHECKING:
    from newstore_sandbox.call_faults import CallFault
    from newstore_sandbox.import_jobs import Row

#: Event name by the move in the control API's path.
MOVES = {"ship": COMPLETED, "fail": FAILED, "ready": READY}


@dataclasses.dataclass(frozen=True)
class Options:
    """How this NewStore behaves. Where the real one's behaviour is unknown, tests try every possibility."""

    tenant: str = "demo"
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-secret"  # noqa: S105 - a sandbox on localhost has no secrets
    token_seconds: int = 300
    range_scope: Scope = "tenant"
    webhook_url: str | None = None
    webhook_key: str | None = None
    webhook_shape: Shape = "event-stream"
    first_logical_timestamp: int = 1
    import_seconds: float = 0.2
    job_order: JobOrder = "fifo"
    staging_dir: str | None = None
    export_seconds: float = 300.0
    duplicates: float = 0.0
    shuffle: int = 0
    delay_seconds: float = 0.0
    delivery_seed: int = 0


@dataclasses.dataclass
class Faults:
    """What fails on purpose.

    Attributes:
        next_import_errors: Reasons, or whole entries, of the next job's errors.
        refused_items: Keys no import changes: each `fulfillment_node_id` and `product_id`, with the `reason` and
            `entity_id` of its error if they are to be other ones.
        starts_received_jobs: Another importer starts each job as soon as it was created.
        state_word: Shown instead of `waiting`, in jobs and lists of jobs.
        download_seconds: Extra time NewStore takes to fetch a stock file.
        download_bytes: NewStore gets only the first bytes of the next stock file.
        atp_seconds: How long ATP keeps showing the numbers from before an import.
        bulk_seconds: How long a bulk availability export takes.
        calls: Calls that are refused, delayed, or lose their answer.
    """

    fail_next_import: str | None = None
    next_import_errors: list[Row] = dataclasses.field(default_factory=list)
    refused_items: list[dict[str, str]] = dataclasses.field(default_factory=list)
    create_429_leaves_job: bool = False
    starts_received_jobs: bool = False
    hold_jobs: bool = False
    state_word: str | None = None
    download_seconds: float = 0.0
    download_bytes: int | None = None
    atp_seconds: float = 0.0
    bulk_seconds: float = 0.0
    calls: list[CallFault] = dataclasses.field(default_factory=list)


class Sandbox:
    """One tenant of NewStore. Its methods are safe to call from several threads."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.lock = threading.RLock()
        self.stock = Stock(options.range_scope)
        self.jobs = Jobs()
        self.faults = Faults()
        self.late_atp = LateAtp()
        self.bulk_exports = BulkExports()
        self.insight_rate = InsightRate()
        self.locations: dict[str, dict[str, t.Any]] = {}
        self.publisher = Publisher(options.webhook_url, options.webhook_key, options.webhook_shape, options.tenant)
        disorder = Disorder(options.duplicates, options.shuffle, options.delay_seconds)
        self.publisher.disturb(disorder, options.delivery_seed)
        self._timestamps = itertools.count(options.first_logical_timestamp)
        self._orders: dict[str, tuple[str, str, list[Unit]]] = {}
        self._stopping = threading.Event()
        self._worker = threading.Thread(target=self._work, name="imports", daemon=True)

    def start(self) -> None:
        """Start the import worker; each delivery starts itself."""
        self._worker.start()

    def stop(self) -> None:
        """Stop all threads."""
        self._stopping.set()
        self._worker.join(timeout=stock_file.FETCH_SECONDS)
        self.publisher.stop()

    def add_location(self, node: str, store_id: str, *, is_inventory_master: bool = False) -> None:
        """Create a location; its type and ids never change afterwards."""
        kind = "store" if store_id else "dc"
        known = self.locations.get(node)
        if known and (known["type"] != kind or (store_id and known["store_id"] != store_id)):
            raise CallError(400, "invalid_location", f"{node} is a {known['type']} and cannot be changed")
        if kind == "dc" and is_inventory_master:
            raise CallError(400, "invalid_location", "only stores can have NewStore as inventory master")
        self.locations.setdefault(
            node,
            {
                "id": node,
                "store_id": store_id,
                "type": kind,
                "is_inventory_master": is_inventory_master,
                "is_enabled": True,
            },
        )

    def place_order(
        self, node: str, products: list[str], *, order_id: str | None, service_level: str, force: bool
    ) -> dict[str, t.Any]:
        """Assign a new order's units to a node, all in one fulfilment request."""
        with self.lock:
            if node not in self.locations:
                raise CallError(400, "invalid_request", f"fulfillment_node_id: no location {node}")
            for product in set(products):
                if not force and (self.stock.atp((node, product)) or 0) < products.count(product):
                    raise CallError(409, "not_available", f"items: {node}/{product} is not available to promise")
            order, request = order_id or str(uuid.uuid4()), str(uuid.uuid4())
            if order in self._orders:
                raise CallError(409, "order_exists", f"order_id: {order} exists")
            units = [Unit(str(uuid.uuid4()), order, request, (node, product)) for product in products]
            for unit in units:
                self.stock.assign(unit)
            self._orders[order] = (request, service_level, units)
            return {"order_id": order, "fulfillment_request_id": request} | self._publish(ASSIGNED, order, units)

    def move_units(self, order_id: str, name: str, item_ids: list[str] | None) -> dict[str, t.Any]:
        """Complete, fail or hand over the named units of an order, or all its open ones."""
        with self.lock:
            if order_id not in self._orders:
                raise CallError(404, "order_not_found", f"no order {order_id}")
            units = [
                unit
                for unit in self._orders[order_id][2]
                if (unit.is_open if item_ids is None else unit.item_id in item_ids)
            ]
            if not units or not all(unit.is_open for unit in units) or len(units) < len(item_ids or ()):
                raise CallError(409, "not_open", f"order {order_id} has no such open units")
            published = self._publish(name, order_id, units)
            for unit in units:
                if name == COMPLETED:
                    self.stock.complete(unit, published["logical_timestamp"])
                elif name == FAILED:
                    self.stock.fail(unit)
            return published

    def _publish(self, name: str, order_id: str, units: list[Unit]) -> dict[str, t.Any]:
        request, service_level, _ = self._orders[order_id]
        timestamp = next(self._timestamps)
        items = [{"id": unit.item_id, "product_id": unit.key[1]} for unit in units]
        payload = {
            "id": request,
            "order_id": order_id,
            "logical_timestamp": timestamp,
            "fulfillment_location_id": units[0].key[0],
            "associate_id": None,
            "service_level": service_level,
            "items": items,
        }
        self.publisher.publish(name, payload)
        return {"logical_timestamp": timestamp, "items": items}

    def _work(self) -> None:
        while not self._stopping.wait(0.02):
            with self.lock:
                job = None if self.faults.hold_jobs else self.jobs.next_waiting(self.options.job_order)
            if job is None or self._stopping.wait(self.options.import_seconds / 2):
                continue
            with self.lock:
                if job.state != "waiting":
                    continue
                job.state = "running"
            self._run(job)

    def _run(self, job: Job) -> None:
        try:
            rows = self._take_fault(job)
            has_others = len(job.entities) > 1
            file = stock_file.read(self._fetch(job.transformed_uri or ""), has_other_entities=has_others)
            self._stopping.wait(self.options.import_seconds / 2)
            with self.lock:
                if job.state != "running":
                    return
                file, refused = stock_file.refuse(file, self.faults.refused_items)
                self._apply(job, file)
                job.end("finished", rows=[*rows, *refused])
        except StockFileError as error:
            with self.lock:
                if job.state == "running":
                    job.end("failed", error.reason, error.rows)

    def _fetch(self, uri: str) -> bytes:
        content = stock_file.fetch(uri)
        self._stopping.wait(self.faults.download_seconds)
        with self.lock:
            length, self.faults.download_bytes = self.faults.download_bytes, None
        return content[:length]

    def _take_fault(self, job: Job) -> list[Row]:
        """Return the errors this job must report; raise StockFileError if it must fail."""
        with self.lock:
            reason, self.faults.fail_next_import = self.faults.fail_next_import, None
            rows, self.faults.next_import_errors = self.faults.next_import_errors, []
        if reason:
            raise StockFileError(reason, rows)
        if job.full:
            raise StockFileError("full imports are not supported for availabilities")
        return rows

    def _apply(self, job: Job, file: stock_file.StockFile) -> None:
        mastered = sorted(
            node
            for node in {item["fulfillment_node_id"] for item in file.items}
            if self.locations.get(node, {}).get("is_inventory_master")
        )
        if mastered:
            raise StockFileError("NewStore is inventory master of a store in the file", mastered)
        try:
            for node, store_id in file.stores.items():
                self.add_location(node, store_id)
        except CallError as error:
            raise StockFileError(error.message) from error
        before = {key: self.stock.atp(key) for key in file.quantities}
        self.late_atp.hide(before, self.faults.atp_seconds)
        self.stock.apply_import(
            job.import_id,
            file.quantities,
            file.range,
            quantities_are_atp=file.head.get("mode") == "atp",
        )
        job.file = {"head": file.head, "items": file.items}
        self.jobs.applied.append(job)
