"""Event-stream integrations: which sink gets which events (newstore-api.md, section 4)."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import typing as t

from newstore_sandbox.errors import CallError
from newstore_sandbox.events import now
from newstore_sandbox.export_writer import ExportWriter
from newstore_sandbox.registrations import accepts, checked_changes, checked_registration, period_of, without_secrets
from newstore_sandbox.sinks import ExportFileSink, Published, Sink, WebhookSink

if t.TYPE_CHECKING:
    from newstore_sandbox.delivery import Delivery
    from newstore_sandbox.publisher import Publisher
    from newstore_sandbox.registrations import Body
    from newstore_sandbox.sinks import Rejected

#: Temporary and stopped ones count.
MOST_INTEGRATIONS = 25
KEPT_ENTRIES = 50


@dataclasses.dataclass
class Integration:
    """One registered integration.

    Attributes:
        body: The registration as sent, with its changes.
        delivery: The delivery to its sink.
        entries: What became of it, the last ones.
    """

    body: Body
    delivery: Delivery
    is_stopped: bool = False
    entries: collections.deque[dict[str, str]] = dataclasses.field(
        default_factory=lambda: collections.deque(maxlen=KEPT_ENTRIES)
    )

    def public(self) -> Body:
        """Return the integration as NewStore's API shows it: without keys."""
        self.end_if_over()
        return {**without_secrets(self.body), "status": "stopped" if self.is_stopped else "running"}

    def note(self, action: str, reason: str) -> None:
        """Add an entry to its log."""
        self.entries.append({"created_at": now(), "action": action, "reason": reason})

    def stop(self, reason: str) -> None:
        """Hold its events back."""
        if not self.is_stopped:
            self.is_stopped = True
            self.delivery.hold("stopped")
            self.note("stopped", reason)

    def end_if_over(self) -> None:
        """Stop an integration whose period is over and delivered."""
        ends = period_of(self.body)[1]
        if ends is not None and ends <= dt.datetime.now(tz=dt.UTC) and not self.delivery.pending():
            self.stop("ends_at has passed")

    def rejected(self, event_id: str) -> Rejected:
        """Return a rejected event."""
        for rejected in self.delivery.sink.rejected:
            if rejected.id == event_id:
                return rejected
        raise CallError(404, "resource_not_found", f"no rejected event {event_id}")


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

    def list(self) -> list[Integration]:
        """Return all integrations, in the order they were registered."""
        return list(self._all.values())

    def register(self, body: t.Any) -> Integration:
        """Register and start an integration; events published since its start come first."""
        body = checked_registration(body)
        if body["id"] in self._all:
            raise CallError(409, "integration_exists", f"id: {body['id']} exists")
        if len(self._all) >= MOST_INTEGRATIONS:
            raise CallError(400, "too_many_integrations", f"at most {MOST_INTEGRATIONS} integrations")

        def takes(event: Published) -> bool:
            return accepts(body, event.name) and _is_within(event, body)

        past = [event for event in self._publisher.published if period_of(body)[0] and takes(event)]
        integration = Integration(body, self._publisher.deliver_to(self._sink(body), takes, past))
        integration.note("started", "registered")
        self._all[body["id"]] = integration
        return integration

    def change(self, name: str, changes: t.Any) -> Integration:
        """Give an integration another sink or filter."""
        integration = self.get(name)
        changes = checked_changes(changes)
        if any(changes.get(kind) is not None for kind in ("callback_parameters", "s3_parameters")):
            sink = self._sink(changes)
            sink.rejected = integration.delivery.sink.rejected
            integration.delivery.sink = sink
            integration.body.pop("callback_parameters", None)
            integration.body.pop("s3_parameters", None)
        integration.body.update(changes)
        integration.note("updated", f"changed {', '.join(sorted(changes))}")
        return integration

    def get(self, name: str) -> Integration:
        """Return an integration by its id."""
        if name not in self._all:
            raise CallError(404, "resource_not_found", f"no integration {name}")
        return self._all[name]

    def delete(self, name: str) -> None:
        """Delete an integration, with its log and its rejected events."""
        self._publisher.end(self.get(name).delivery)
        del self._all[name]

    def start(self, name: str) -> Integration:
        """Let an integration go on where it stopped; one that runs goes on running."""
        integration = self.get(name)
        if integration.is_stopped:
            integration.is_stopped = False
            integration.delivery.release("stopped")
            integration.note("started", "_start")
        return integration

    def stop(self, name: str) -> Integration:
        """Stop an integration; events published meanwhile wait for it."""
        integration = self.get(name)
        integration.stop("_stop")
        return integration

    def retry(self, name: str, event_id: str) -> None:
        """Deliver a rejected event again."""
        integration = self.get(name)
        rejected = integration.rejected(event_id)
        if not integration.delivery.sink.takes(rejected.event):
            raise CallError(502, "delivery_failed", f"the receiver did not take the event {event_id}")
        integration.delivery.sink.rejected.remove(rejected)

    def forget(self, name: str, event_id: str) -> None:
        """Delete a rejected event."""
        integration = self.get(name)
        integration.delivery.sink.rejected.remove(integration.rejected(event_id))

    def _sink(self, body: Body) -> Sink:
        if (callback := body.get("callback_parameters")) is not None:
            return WebhookSink(callback["callback_url"], callback.get("api_key"))
        s3 = body["s3_parameters"]
        place = "/".join(part for part in (s3["bucket"], s3.get("key_prefix")) if part)
        keys = {"key": s3["aws_access_key_id"], "secret": s3["aws_secret_access_key"]}
        writer = ExportWriter(f"s3://{place}", self._tenant, client_kwargs={"region_name": s3["aws_region"]}, **keys)
        return ExportFileSink(writer.write, self._export_seconds)


def _is_within(event: Published, body: Body) -> bool:
    starts, ends = period_of(body)
    if starts is None and ends is None:
        return True
    published = dt.datetime.fromisoformat(event.body["published_at"])
    return (starts is None or starts <= published) and (ends is None or published <= ends)
