"""Event-stream integrations: which sink gets which events (newstore-api.md, section 4)."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from newstore_sandbox.errors import CallError
from newstore_sandbox.export_writer import ExportWriter
from newstore_sandbox.sinks import ExportFileSink, Published, Sink, WebhookSink

if t.TYPE_CHECKING:
    from newstore_sandbox.delivery import Delivery
    from newstore_sandbox.publisher import Publisher

MOST_INTEGRATIONS = 25
TYPES = ("permanent", "temporary")
S3_KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_region", "bucket", "key_prefix")


@dataclasses.dataclass
class Integration:
    """One registered integration.

    Attributes:
        body: The registration as sent.
        period: First and last publication time a temporary integration replays; None if permanent.
        delivery: The delivery to its sink.
    """

    body: dict[str, t.Any]
    period: tuple[dt.datetime, dt.datetime] | None
    delivery: Delivery
    is_stopped: bool = False

    def public(self) -> dict[str, t.Any]:
        """Return the integration as NewStore's API shows it."""
        return {**self.body, "status": self._status(), "pending": self.delivery.pending()}

    def _status(self) -> str:
        if self.is_stopped:
            return "stopped"
        is_over = self.period is not None and self.period[1] <= dt.datetime.now(tz=dt.UTC)
        return "finished" if is_over and not self.delivery.pending() else "running"


class Integrations:
    """All integrations of the tenant.

    Args:
        publisher: Source of the events.
        tenant: Directory name of the export files.
        export_seconds: Seconds between two files of an S3 sink.
    """

    def __init__(self, publisher: Publisher, tenant: str, export_seconds: float) -> None:
        self._publisher = publisher
        self._tenant = tenant
        self._export_seconds = export_seconds
        self._all: dict[str, Integration] = {}

    def register(self, body: t.Any) -> Integration:
        """Register and start an integration."""
        name = _text(body if isinstance(body, dict) else {}, "id")
        if name in self._all:
            raise CallError(409, "integration_exists", f"id: {name} exists")
        if len(self._all) >= MOST_INTEGRATIONS:
            raise CallError(409, "too_many_integrations", f"at most {MOST_INTEGRATIONS} integrations")
        entities, period, sink = _entities(body), _period(body), self._sink(body)

        def accepts(event: Published) -> bool:
            return event.name.split(".")[0] in entities and (period is None or _is_within(event, period))

        past = [event for event in self._publisher.published if period and accepts(event)]
        self._all[name] = Integration(body, period, self._publisher.deliver_to(sink, accepts, past))
        return self._all[name]

    def get(self, name: str) -> Integration:
        """Return an integration by its id."""
        if name not in self._all:
            raise CallError(404, "integration_not_found", f"no integration {name}")
        return self._all[name]

    def start(self, name: str) -> Integration:
        """Resume a stopped integration where it stopped."""
        integration = self.get(name)
        if not integration.is_stopped:
            raise CallError(409, "integration_running", f"integration {name} is not stopped")
        integration.is_stopped = False
        integration.delivery.release("stopped")
        return integration

    def stop(self, name: str) -> Integration:
        """Stop an integration; events published meanwhile wait for it."""
        integration = self.get(name)
        if integration.is_stopped:
            raise CallError(409, "integration_stopped", f"integration {name} is stopped already")
        integration.is_stopped = True
        integration.delivery.hold("stopped")
        return integration

    def _sink(self, body: dict[str, t.Any]) -> Sink:
        callback, s3 = body.get("callback_parameters"), body.get("s3_parameters")
        if (callback is None) == (s3 is None):
            raise CallError(400, "invalid_request", "callback_parameters, s3_parameters: expected one of them")
        if callback is not None:
            return WebhookSink(_text(callback, "callback_url"), callback.get("api_key"))
        key, secret, region, bucket, prefix = (_text(s3, name) for name in S3_KEYS)
        client = {"region_name": region}
        writer = ExportWriter(f"s3://{bucket}/{prefix}", self._tenant, key=key, secret=secret, client_kwargs=client)
        return ExportFileSink(writer.write, self._export_seconds)


def _entities(body: dict[str, t.Any]) -> set[str]:
    conditions = body.get("filter_conditions")
    given = conditions.get("entity_filter") if isinstance(conditions, dict) else None
    if not isinstance(given, list) or not given or not all(isinstance(name, str) for name in given):
        raise CallError(400, "invalid_request", "filter_conditions.entity_filter: expected a list of entities")
    return set(given)


def _period(body: dict[str, t.Any]) -> tuple[dt.datetime, dt.datetime] | None:
    kind = body.get("integration_type")
    if kind not in TYPES:
        raise CallError(400, "invalid_request", f"integration_type: expected one of {', '.join(TYPES)}")
    if kind == "permanent":
        return None
    starts, ends = _time(body, "starts_at"), _time(body, "ends_at")
    if starts >= ends:
        raise CallError(400, "invalid_request", "ends_at: expected a time after starts_at")
    return starts, ends


def _is_within(event: Published, period: tuple[dt.datetime, dt.datetime]) -> bool:
    return period[0] <= dt.datetime.fromisoformat(event.body["published_at"]) <= period[1]


def _text(body: t.Any, name: str) -> str:
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str) or not value:
        raise CallError(400, "invalid_request", f"{name}: required")
    return value


def _time(body: dict[str, t.Any], name: str) -> dt.datetime:
    try:
        time = dt.datetime.fromisoformat(_text(body, name))
    except ValueError as error:
        raise CallError(400, "invalid_request", f"{name}: expected an RFC 3339 time") from error
    if time.tzinfo is None:
        raise CallError(400, "invalid_request", f"{name}: expected a time zone")
    return time
