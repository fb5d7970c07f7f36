"""Tap, mapper and target in this process, so that they can die between any two of their steps."""

from __future__ import annotations

import io
import json
import typing as t

import msgspec
from mapper_newstore_stock.ledger.store import Ledger
from mapper_newstore_stock.mapper import MapperNewStoreStock
from mapper_newstore_stock.messages import MessageWriter
from mapper_newstore_stock.run.stock_run import STREAM, StockRun
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.records import read_record, to_dict
from tap_newstore_fulfillment.sent import SENT, Sent
from target_newstore_stock.sinks import StockSink
from target_newstore_stock.target import TargetNewStoreStock

from tests.faults.stories.steps import WRITING

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    import sqlalchemy as sa
    from mapper_newstore_stock.ledger.lock import Holder
    from singer_sdk.singerlib import Message
    from singer_sdk.sinks.core import BaseJSONSchemaValidator
    from tap_newstore_fulfillment.landing.store import Arrival, LandingStore

    from tests.faults.breaking.death import Death
    from tests.faults.stories.steps import RunFault
    from tests.faults.stories.world import State

Record = dict[str, t.Any]
#: A STATE, after the number of records that precede it.
CountedState = tuple[int, dict[str, t.Any]]

_encode = msgspec.json.Encoder().encode
#: By the schema's text; a validator keeps no trace of the records it has seen.
_validators: dict[str, BaseJSONSchemaValidator | None] = {}


def let_go(target: TargetNewStoreStock) -> None:
    """Release what the end of the target's process would release: its lock on the staging place."""
    lock = getattr(target, "_run_lock", None)
    if lock is not None:
        lock._lock.release(force=True)


class TapHere:
    """The tap's release and records, without its command.

    Args:
        landing: The store it reads.
        settle_ms: How long it waits for late events, in milliseconds.
        emit_unreleased: The tap's setting.
    """

    def __init__(self, landing: LandingStore, *, settle_ms: int, emit_unreleased: bool) -> None:
        self._landing = landing
        self._settle_ms = settle_ms
        self._emit_unreleased = emit_unreleased

    def run(self, state: State | None, now: int, dies: RunFault | None) -> tuple[list[Record], list[CountedState]]:
        """Return the records, and the STATEs with the number of records before each.

        Args:
            state: The Singer state.
            now: Milliseconds since the epoch.
            dies: At which record it dies, and whether with a STATE; None: it does not.
        """
        bookmarks = (state or {}).get("bookmarks", {})
        bookmark = Bookmark.from_state(bookmarks.get(STREAM, {}), new_reader="here")
        self._landing.retention.note(bookmark)
        plan = self._landing.plan_release(bookmark, settle_ms=self._settle_ms, now=now)
        records = _records(self._landing.released(plan), released=True)
        end = plan.end
        if dies:
            records = records[: dies.at]
            if not records or dies.how == "without":
                return records, []
            end = plan.bookmark_before(records[-1]["logical_timestamp"])
        elif self._emit_unreleased:
            records += _records(self._landing.unreleased(plan), released=False)
        sent = Sent()
        sent.add([record["event_id"] for record in records])
        said = end.to_state() | {SENT: sent.to_state()}
        return records, [(len(records), {"bookmarks": {**bookmarks, STREAM: said}})]


def as_lines(state: State | None, records: list[Record], states: list[CountedState]) -> list[bytes]:
    """Return the mapper's input as lines: Meltano's STATE, the SCHEMA, and the tap's messages in order."""
    messages: list[dict[str, t.Any]] = [{"type": "STATE", "value": state}] if state else []
    messages.append({"type": "SCHEMA", "stream": STREAM, "schema": {"properties": {}}, "key_properties": []})
    for number in range(len(records) + 1):
        if number:
            messages.append({"type": "RECORD", "stream": STREAM, "record": records[number - 1]})
        messages += [{"type": "STATE", "value": value} for at, value in states if at == number]
    return [_encode(message) for message in messages]


def _records(parts: Iterable[Iterable[Arrival]], *, released: bool) -> list[Record]:
    return [to_dict(read_record(arrival, released=released)) for part in parts for arrival in part]


class Writer(MessageWriter):
    """Keeps the messages the mapper writes, one line each.

    Attributes:
        death: Counts each message as a step.
    """

    death: Death

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[bytes] = []

    def write_message(self, message: Message) -> None:
        self.death.step(WRITING)
        self.lines.append(_encode(message.to_dict()))


class MapperHere(MapperNewStoreStock):
    """The mapper on an existing engine; its output is kept."""

    message_writer_class = Writer

    def open(self, engine: sa.Engine, death: Death, me: Holder | None = None) -> None:
        """Open the ledger."""
        t.cast("Writer", self.message_writer).death = death
        self._run = StockRun(self.config, self.logger, self._counts, Ledger(engine, me))

    def close(self) -> list[bytes]:
        """Release the ledger, as the end of the process does, and return the lines written."""
        if self._run:
            self._run.close()
        return t.cast("Writer", self.message_writer).lines


class SinkHere(StockSink):
    """The sink, with a cached validator for each schema."""

    def get_validator(self) -> BaseJSONSchemaValidator | None:
        known = json.dumps(self.schema)
        if known not in _validators:
            _validators[known] = super().get_validator()
        return _validators[known]


class TargetHere(TargetNewStoreStock):
    """The target, for many runs in one process."""

    default_sink_class = SinkHere


class States(io.StringIO):
    """The target's stdout: a STATE counts if its line was written completely."""

    def __init__(self, death: Death) -> None:
        super().__init__()
        self._death = death
        self.states: list[State] = []

    def write(self, text: str) -> int:
        self._death.step("target")
        self.states += [json.loads(line) for line in text.splitlines()]
        return len(text)
