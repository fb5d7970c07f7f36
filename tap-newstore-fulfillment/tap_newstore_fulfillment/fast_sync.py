"""Writes the records of a stream the short way when nothing the user configured touches them.

The SDK conforms, maps, copies and flushes each record by itself. Where that would change
nothing, because there is no map, no deselected field and no batch, the same messages are
written here many at a time; a test holds both ways to the same output.
"""

from __future__ import annotations

import datetime as dt
import sys
import typing as t

import msgspec
from singer_sdk.mapper import SameRecordTransform

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk import Stream

_encode = msgspec.json.Encoder().encode


def is_plain(stream: Stream) -> bool:
    """Say whether records go out exactly as the stream gives them."""
    maps = stream.stream_maps
    return (
        len(maps) == 1
        and type(maps[0]) is SameRecordTransform
        and not stream.config.get("flattening_enabled")
        and stream.ABORT_AT_RECORD_COUNT is None
        and all(stream.mask.values())
        and stream.schema["properties"].keys() <= stream.effective_schema["properties"].keys()
    )


def write_records(stream_name: str, records: Sequence[msgspec.Struct], *, version: int | None) -> None:
    """Write one RECORD message for each record, with a single flush."""
    head, tail = _frame(stream_name, dt.datetime.now(tz=dt.UTC), version)
    out = sys.stdout.buffer
    # What the SDK wrote before, such as SCHEMA, stands in the text layer above.
    sys.stdout.flush()
    out.write(b"".join([head + _encode(record) + tail for record in records]))
    out.flush()


def _frame(stream_name: str, moment: dt.datetime, version: int | None) -> tuple[bytes, bytes]:
    """Give what stands before and after the record in a message's line."""
    message: dict[str, t.Any] = {} if version is None else {"version": version}
    tail = _encode(message | {"time_extracted": moment.isoformat()})
    return b'{"type":"RECORD","stream":' + _encode(stream_name) + b',"record":', b"," + tail[1:] + b"\n"
