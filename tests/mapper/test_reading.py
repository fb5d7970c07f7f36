"""Events decoded a block at a time are those the SDK's general way reads, in the same place among all messages."""

from __future__ import annotations

import io
import json
import typing as t

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapper_newstore_stock import messages
from mapper_newstore_stock.errors import MapperError
from mapper_newstore_stock.events import STREAM, Event, read_event
from mapper_newstore_stock.messages import MessageReader

from tests.mapper.shop_day import completed

Read = tuple[str, t.Any]


def lines_of(number: int) -> dict[str, bytes]:
    """Give one line of each kind that may stand among a tap's messages."""
    event = {"type": "RECORD", "stream": STREAM, "record": completed(number, "Ä\u2028", "B")}
    other = {"type": "RECORD", "stream": "orders", "record": {"id": number, "event_id": 1}}
    return {
        "event": msgspec.json.encode(event),
        "written by Python": json.dumps({**event, "time_extracted": "2025-03-04T09:20:00Z"}).encode(),
        "fields in another order": json.dumps(dict(reversed(event.items()))).encode(),
        "not released": json.dumps({**event, "record": completed(number, released=False)}).encode(),
        "other stream": msgspec.json.encode(other),
        "state": msgspec.json.encode({"type": "STATE", "value": {"bookmarks": {STREAM: {"position": number}}}}),
        "schema": msgspec.json.encode({"type": "SCHEMA", "stream": STREAM, "schema": {}}),
    }


@given(
    kinds=st.lists(st.sampled_from(["event"] * 20 + list(lines_of(0))), max_size=40),
    read_bytes=st.sampled_from([100, 1_000, messages.READ_BYTES]),
    ends_with_a_line=st.booleans(),
)
def test_both_ways_read_the_same(kinds: list[str], read_bytes: int, ends_with_a_line: bool) -> None:
    data = b"\n".join(lines_of(number)[kind] for number, kind in enumerate(kinds))
    data += b"\n" if ends_with_a_line and data else b""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "READ_BYTES", read_bytes)
        assert read(data, in_blocks=True) == read(data, in_blocks=False)


@pytest.mark.parametrize("place", [0, 3, 6])
@pytest.mark.parametrize("in_blocks", [True, False])
def test_an_event_that_cannot_be_read_ends_the_run_where_it_stands(place: int, in_blocks: bool) -> None:
    lines = [lines_of(number)["event"] for number in range(7)]
    lines[place] = lines[place].replace(b'"released":true', b'"released":"yes"')
    taken: list[Read] = []
    with pytest.raises(MapperError, match=f"completed:fr-{place}:{place}.*released"):
        read(b"\n".join(lines), in_blocks=in_blocks, taken=taken)
    assert [event.logical_timestamp for _, event in taken] == list(range(place))


def read(data: bytes, *, in_blocks: bool, taken: list[Read] | None = None) -> tuple[list[Read], t.Counter[str]]:
    """Give everything read in its order, and what the SDK counted."""
    read: list[Read] = [] if taken is None else taken

    def take(events: list[Event]) -> None:
        read.extend(("event", event) for event in events)

    def take_record(message: dict[str, t.Any]) -> None:
        if message["stream"] == STREAM:
            take([read_event(message["record"])])
        else:
            read.append(("other", message))

    def take_other(message: dict[str, t.Any]) -> None:
        read.append(("other", message))

    reader = MessageReader()
    if in_blocks:
        reader.take_events = take
    source = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
    counter = reader.process_lines(source, {"RECORD": take_record, "STATE": take_other, "SCHEMA": take_other})
    return read, +counter
