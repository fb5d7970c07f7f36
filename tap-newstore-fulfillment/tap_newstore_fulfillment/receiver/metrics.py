"""The receiver's metrics (`GET /metrics`, Prometheus text format)."""

from __future__ import annotations

import collections
import functools
import re
import typing as t

import prometheus_client as prometheus

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent
    from tap_newstore_fulfillment.landing.audits import AuditFigures

#: Event names with a label of their own; all others share OTHER, so that no sender can create labels.
KNOWN_NAMES = frozenset(
    f"fulfillment_request.{name}"
    for name in ("assigned", "items_completed", "items_failed", "items_ready_for_handover")
)
OTHER = "other"
#: Names of other entities' events that have a label of their own.
MOST_NAMES = 100
NAME = re.compile(r"[a-z0-9_.-]{1,80}")
#: A publication that lies further ahead is a wrong date.
LONGEST_LEAD_SECONDS = 3600
LATENCY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class StoreMetrics:
    """What a landing store knows: the same whoever shows it."""

    def __init__(self) -> None:
        self._registry = registry = prometheus.CollectorRegistry()
        gauge = functools.partial(prometheus.Gauge, registry=registry)
        self._newest = gauge("newstore_newest_event_timestamp_seconds", "Publication of the newest event stored")
        self._set_aside = gauge("newstore_set_aside", "What waits for somebody in quarantine", ("kind",))
        self._oldest_set_aside = gauge("newstore_oldest_set_aside_timestamp_seconds", "Its oldest entry; 0: none")
        self._lost = gauge("newstore_audit_lost_events", "Events that audits found to have been lost")
        self._audited = gauge("newstore_last_audit_timestamp_seconds", "End of the last whole audit; 0: there was none")
        self._went_back = gauge("newstore_store_went_back", "Times that acknowledged events were seen gone")
        self._backlog = gauge("newstore_backlog_events", "Unconfirmed", ("pipeline",))
        self._newest_published = 0.0

    def show_set_aside(self, amounts: Mapping[str, float]) -> None:
        """Show how much is set aside, by kind; kinds that are not named are none."""
        self._set_aside.clear()
        for kind, amount in amounts.items():
            self._set_aside.labels(kind).set(amount)

    def show_oldest_set_aside(self, came_at: float | None) -> None:
        """Show when the oldest of what is set aside came, epoch seconds; None: nothing is."""
        self._oldest_set_aside.set(came_at or 0)

    def show_audits(self, figures: AuditFigures) -> None:
        """Show what audits have found: the store knows it, so that every receiver shows the same."""
        self._lost.set(figures.lost)
        self._audited.set((figures.ended_at or 0) / 1000)
        self._went_back.set(figures.went_back)

    def show_newest(self, published: float | None, now: float) -> None:
        """Show the store's newest event: after a restart, and beside other receivers, this process has not seen it.

        Args:
            published: Epoch seconds; None: there is none.
            now: Epoch seconds.
        """
        if published and self._newest_published < published < now + LONGEST_LEAD_SECONDS:
            self._newest_published = published
            self._newest.set(published)

    def show_backlog(self, waiting: Mapping[str, int]) -> None:
        """Show how many events wait, by pipeline; "" is the whole store, while no pipeline has come back."""
        self._backlog.clear()
        for pipeline, events in waiting.items():
            self._backlog.labels(pipeline).set(events)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return prometheus.generate_latest(self._registry)


class ReceiverMetrics(StoreMetrics):
    """The counters of one receiver process."""

    def __init__(self) -> None:
        super().__init__()
        registry = self._registry
        names = ("event_name",)
        self._received = prometheus.Counter("newstore_events_received", "Events that came", names, registry=registry)
        self._stored = prometheus.Counter("newstore_events_stored", "Events that were new", names, registry=registry)
        self._duplicates = prometheus.Counter("newstore_events_duplicate", "Kept before", names, registry=registry)
        self._ignored = prometheus.Counter(
            "newstore_events_ignored", "Events of other entities, which are not kept", names, registry=registry
        )
        self._quarantined = prometheus.Counter(
            "newstore_bodies_quarantined", "Bodies answered 400 or 413 and kept", registry=registry
        )
        self._cut = prometheus.Counter(
            "newstore_bodies_cut", "Connections closed before the end of a body", registry=registry
        )
        self._answers = prometheus.Counter(
            "newstore_answers", "Answers by status, but those of /healthz and /metrics", ("status",), registry=registry
        )
        self._latency = prometheus.Histogram(
            "newstore_answer_seconds",
            "Time from a post's arrival to its answer",
            buckets=LATENCY_SECONDS,
            registry=registry,
        )
        self._lag = prometheus.Gauge(
            "newstore_newest_event_lag_seconds", "From its publication to its storage", registry=registry
        )
        self._ignored_names: set[str] = set()

    def count_stored(self, events: Sequence[FulfillmentEvent], new: Mapping[str, int], now: float) -> None:
        """Count a committed group.

        Args:
            events: The whole group.
            new: How many of them were new, by event name.
            now: Epoch seconds.
        """
        set_aside: Mapping[str, int] = getattr(new, "set_aside", {})
        for name, count in collections.Counter(event.event_name for event in events).items():
            label = name if name in KNOWN_NAMES else OTHER
            self._received.labels(label).inc(count)
            self._stored.labels(label).inc(new.get(name, 0))
            self._duplicates.labels(label).inc(count - new.get(name, 0) - set_aside.get(name, 0))
        self._note_newest(max((event.published_at or 0.0 for event in events), default=0.0), now)

    def count_ignored(self, event_name: str) -> None:
        """Count an event of another entity; no sender can create more than MOST_NAMES labels."""
        names = self._ignored_names
        if event_name not in names and len(names) < MOST_NAMES and NAME.fullmatch(event_name):
            names.add(event_name)
        self._ignored.labels(event_name if event_name in names else OTHER).inc()

    def count_quarantined(self) -> None:
        """Count a body that was answered 400 or 413."""
        self._quarantined.inc()

    def count_cut(self) -> None:
        """Count a body that ended before its end, with the connection."""
        self._cut.inc()

    def count_answer(self, status: int, seconds: float | None = None) -> None:
        """Count an answer; only those to posts of events take a time."""
        self._answers.labels(str(status)).inc()
        if seconds is not None:
            self._latency.observe(seconds)

    def _note_newest(self, published: float, now: float) -> None:
        if self._newest_published < published < now + LONGEST_LEAD_SECONDS:
            self._newest_published = published
            self._newest.set(published)
            self._lag.set(max(0.0, now - published))
