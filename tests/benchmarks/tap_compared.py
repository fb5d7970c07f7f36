"""Baselines of the tap: `sdk` is a stream with the SDK's defaults, `loop` only encodes and writes."""

from __future__ import annotations

import datetime as dt
import sys
import typing as t

import msgspec
from singer_sdk import Stream, Tap
from tap_newstore_fulfillment.records import read_record, to_dict
from tap_newstore_fulfillment.streams import FulfillmentEventsStream

from tests.benchmarks.tap import event
from tests.tap.events import as_kept

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Context, Record

TEMPLATE = to_dict(read_record(as_kept(event(0)), released=True))
WRITTEN_AT_ONCE = 2_000


def records(size: int) -> Iterator[dict[str, t.Any]]:
    """Yield records from memory, as fast as possible."""
    for number in range(size):
        yield {**TEMPLATE, "logical_timestamp": number + 1}


class PlainStream(Stream):
    """The same schema and records, with nothing overridden."""

    name = "fulfillment_events"
    primary_keys: t.ClassVar[list[str]] = ["event_id"]
    replication_key = "logical_timestamp"
    is_sorted = True
    schema = FulfillmentEventsStream.schema

    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Yield the records."""
        del context
        return records(int(self.config["size"]))


class PlainTap(Tap):
    """A tap with `PlainStream`."""

    name = "tap-plain"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = {"properties": {"size": {"type": "integer"}}}

    def discover_streams(self) -> list[Stream]:
        """Return the one stream."""
        return [PlainStream(self)]


def run_loop(size: int) -> None:
    """Encode each record as a message and write many at a time."""
    encode, out, lines = msgspec.json.Encoder().encode, sys.stdout.buffer, []
    moment = dt.datetime.now(tz=dt.UTC).isoformat()
    for record in records(size):
        message = {"type": "RECORD", "stream": "fulfillment_events", "record": record, "time_extracted": moment}
        lines.append(encode(message))
        if len(lines) == WRITTEN_AT_ONCE:
            out.write(b"\n".join(lines) + b"\n")
            lines.clear()
    out.write(b"\n".join(lines))


def main() -> None:
    """Run the baseline named on the command line."""
    way, _, size = sys.argv[1:]
    if way == "sdk":
        PlainTap(config={"size": int(size)}).sync_all()
    else:
        run_loop(int(size))


if __name__ == "__main__":
    main()
