"""Events decoded a block at a time are those the SDK's own reader reads, in the same place among all messages."""

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
from mapper_newstore_stock.mapper import MapperNewStoreStock
from mapper_newstore_stock.messages import MessageReader, MessageWriter
from singer_sdk.io_base import SingerReader

from tests.mapper.shop_day import completed

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from singer_sdk.singerlib import Message

    from tests.shop.postgresql import PostgreSql

    NewReader = Callable[[Callable[[list[Event]], None]], SingerReader]

Read = tuple[str, t.Any]


def lines_of(number: int, *products: str) -> dict[str, bytes]:
    """Return one line of each kind that a tap may send."""
    event = {"type": "RECORD", "stream": STREAM, "record": completed(number, *products or ("Ä\u2028", "B"))}
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
def test_all_readers_read_the_same(kinds: list[str], read_bytes: int, ends_with_a_line: bool) -> None:
    data = b"\n".join(lines_of(number)[kind] for number, kind in enumerate(kinds))
    data += b"\n" if ends_with_a_line and data else b""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "READ_BYTES", read_bytes)
        in_blocks = read(data, MessageReader)
    assert in_blocks == read(data, lambda _take: MessageReader())
    assert in_blocks == read(data, lambda _take: SingerReader())


@pytest.mark.parametrize("place", [0, 3, 6])
@pytest.mark.parametrize("new_reader", [MessageReader, lambda _take: MessageReader()])
def test_an_event_that_cannot_be_read_ends_the_run_where_it_stands(place: int, new_reader: NewReader) -> None:
    lines = [lines_of(number)["event"] for number in range(7)]
    lines[place] = lines[place].replace(b'"released":true', b'"released":"yes"')
    taken: list[Read] = []
    with pytest.raises(MapperError, match=f"completed:fr-{place}:{place}.*released"):
        read(b"\n".join(lines), new_reader, taken)
    assert [event.logical_timestamp for _, event in taken] == list(range(place))


@pytest.mark.parametrize("output", ["stock", "allocations"])
def test_the_mapper_writes_the_same_with_any_reader(tmp_path: Path, output: str) -> None:
    kinds = ["schema", *["event"] * 3, "other stream", "state"]
    lines = [lines_of(number, "A", "B")[kind] for number, kind in enumerate(kinds)]
    csv = tmp_path / "on_hand.csv"
    csv.write_text("fulfillment_node_id,product_id,quantity,as_of_logical_timestamp\nDC01,A,9,\nDC01,B,9,\n")
    written = []
    for reader in (MessageReader, SingerReader):
        url = f"sqlite:///{tmp_path / reader.__name__}.db"
        mapper_class = type("Mapper", (MapperNewStoreStock,), {"message_reader_class": reader})
        mapper = mapper_class(
            config={"output": output, "ledger_url": url, "on_hand_url": str(csv)}, message_writer=KeptMessages()
        )
        mapper.listen(io.TextIOWrapper(io.BytesIO(b"\n".join(lines)), encoding="utf-8"))
        written.append([without_ledger(message) for message in mapper.message_writer.messages])
    assert written[0] == written[1]
    assert {message["type"] for message in written[0]} == {"SCHEMA", "RECORD", "STATE"}


@pytest.mark.parametrize("on_postgresql", [False, True])
def test_records_are_written_many_at_a_time_as_one_by_one(
    tmp_path: Path, postgresql: PostgreSql, capfdbinary: pytest.CaptureFixture[bytes], *, on_postgresql: bool
) -> None:
    csv = tmp_path / "on_hand.csv"
    odd = ["A", 'a "quoted" one', "Ä/\\\u2603", "\U0001f600", "it's", "<b>&"]
    rows = [
        f'DC01,"{product}",{10**10 + number},'.replace('a "quoted" one', 'a ""quoted"" one')
        for number, product in enumerate([*odd, *(f"SKU-{number:05}" for number in range(25_000))])
    ]
    csv.write_text("\n".join(["fulfillment_node_id,product_id,quantity,as_of_logical_timestamp", *rows, ""]))
    lines = [lines_of(number, "A", "SKU-00007")[kind] for number, kind in enumerate(["schema", "event", "state"])]
    written: list[list[t.Any]] = []
    for writer in (MessageWriter(), KeptMessages()):
        url = postgresql.new_database() if on_postgresql else f"sqlite:///{tmp_path / type(writer).__name__}.db"
        mapper = MapperNewStoreStock(
            config={"ledger_url": url, "on_hand_url": str(csv), "max_cut_items": 20_000}, message_writer=writer
        )
        mapper.listen(io.TextIOWrapper(io.BytesIO(b"\n".join(lines)), encoding="utf-8"))
        out = capfdbinary.readouterr().out.splitlines()
        one_by_one = [msgspec.json.encode(one) for one in writer.messages] if isinstance(writer, KeptMessages) else out
        written.append([line for line in one_by_one if b'"RECORD"' in line])
        kinds = [json.loads(line)["type"] for line in one_by_one]
        assert kinds[0] == "SCHEMA"
        assert [kinds[number - 1] for number, kind in enumerate(kinds) if kind == "STATE"] == ["RECORD"] * 2
    assert written[0] == written[1]
    assert len(written[0]) == 25_006


class KeptMessages(MessageWriter):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, t.Any]] = []

    def write_message(self, message: Message) -> None:
        self.messages.append(message.to_dict())


def without_ledger(message: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return a message without the id of its ledger, which is another one each time."""
    message.get("value", {}).get("bookmarks", {}).get("stock", {}).pop("ledger", None)
    message.get("schema", {}).pop("x-cuts-of", None)
    return message


def read(data: bytes, new_reader: NewReader, taken: list[Read] | None = None) -> tuple[list[Read], t.Counter[str]]:
    """Return everything read in its order, and what the reader counted."""
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

    source = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
    counter = new_reader(take).process_lines(source, {"RECORD": take_record, "STATE": take_other, "SCHEMA": take_other})
    return read, +counter
