"""The fast path: writes the records of a stream when no configuration changes them.

The SDK conforms, maps, copies and flushes each record separately. Without a map, a deselected
field or a batch, that changes nothing; then the same messages are written here, many at a time.
A test holds both paths to the same output.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import typing as t

import msgspec
from singer_sdk.mapper import SameRecordTransform

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk import Stream

#: The largest pipe an unprivileged user may have, by Linux's default.
PIPE_BYTES = 1 << 20

_encode_lines = msgspec.json.Encoder().encode_lines


def is_plain(stream: Stream) -> bool:
    """Return whether records go out exactly as the stream yields them."""
    maps = stream.stream_maps
    return (
        len(maps) == 1
        and type(maps[0]) is SameRecordTransform
        and not stream.config.get("flattening_enabled")
        and stream.ABORT_AT_RECORD_COUNT is None
        and all(stream.mask.values())
        and stream.schema["properties"].keys() <= stream.effective_schema["properties"].keys()
    )


def widen_pipe() -> None:
    """Let stdout's pipe hold a whole batch, or writer and reader spend their time waiting for each other."""
    # Elsewhere than on Linux, and where stdout is not a pipe, nothing changes.
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl  # noqa: PLC0415 - does not exist on Windows

        fcntl.fcntl(sys.stdout.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)


class _RecordMessage(msgspec.Struct, gc=False):
    """A RECORD message; its fields are in the SDK's order."""

    type: str
    stream: str
    record: msgspec.Struct
    time_extracted: str


class _VersionedMessage(msgspec.Struct, gc=False):
    """A RECORD message of a stream with a version."""

    type: str
    stream: str
    record: msgspec.Struct
    version: int
    time_extracted: str


def write_records(stream_name: str, records: Sequence[msgspec.Struct], *, version: int | None) -> None:
    """Write one RECORD message per record, with a single flush."""
    moment = dt.datetime.now(tz=dt.UTC).isoformat()
    messages: list[msgspec.Struct]
    if version is None:
        messages = [_RecordMessage("RECORD", stream_name, record, moment) for record in records]
    else:
        messages = [_VersionedMessage("RECORD", stream_name, record, version, moment) for record in records]
    # What the SDK wrote before, such as SCHEMA, is still in the text layer above.
    sys.stdout.flush()
    sys.stdout.buffer.write(_encode_lines(messages))
    sys.stdout.buffer.flush()
