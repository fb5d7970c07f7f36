"""What the tap says it has sent is compared with what came: the mapper claims only what it has seen."""

from __future__ import annotations

import typing as t
import zlib

import pytest
from tap_newstore_fulfillment.streams import FulfillmentEventsStream

from tests.mapper.shop_day import STREAM, completed
from tests.shop.erp import Erp
from tests.shop.plugin import Finished, run_plugin

if t.TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Message = dict[str, t.Any]
EVENTS = [completed(10), completed(11), completed(12, released=False)]


def schema(stream: str = STREAM, *, without: Sequence[str] = ()) -> Message:
    """Return the tap's SCHEMA, without some fields."""
    described = FulfillmentEventsStream.schema
    kept = {name: field for name, field in described["properties"].items() if name not in without}
    return {"type": "SCHEMA", "stream": stream, "schema": {**described, "properties": kept}, "key_properties": []}


def record(event: Message) -> Message:
    return {"type": "RECORD", "stream": STREAM, "record": event}


def sent(*events: Message) -> Message:
    ids = "".join(event["event_id"] for event in events)
    return {"count": len(events), "checksum": f"{zlib.crc32(ids.encode()):08x}"}


def state(said: object = None, through: int | None = 11, *, complete: bool = True) -> Message:
    bookmark: Message = {"replication_key_value": through, "position": 3, "store_id": "s", "complete": complete}
    if said is not None:
        bookmark["sent"] = said
    return {"type": "STATE", "value": {"bookmarks": {STREAM: bookmark}}}


@pytest.fixture
def settings(tmp_path: Path) -> Message:
    erp = Erp(tmp_path / "on_hand.csv")
    erp.count("DC01", "SKU-1", 10)
    return {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}", **erp.settings}


@pytest.fixture(params=["stock", "allocations"])
def any_output(request: pytest.FixtureRequest, settings: Message) -> Message:
    return settings if request.param == "stock" else {"output": "allocations"}


def run(directory: Path, settings: Message, *messages: Message) -> Finished:
    return run_plugin("mapper-newstore-stock", directory, settings, messages=messages)


def begin() -> Message:
    """Return the STATE the tap writes before its first record."""
    return state(sent(), None, complete=False)


def test_a_run_whose_records_all_came_goes_out_with_the_taps_bookmark_unchanged(
    tmp_path: Path, settings: Message
) -> None:
    middle = state(sent(EVENTS[0]), 9, complete=False)
    last = state(sent(*EVENTS))
    done = run(
        tmp_path, settings, schema(), begin(), record(EVENTS[0]), middle, record(EVENTS[1]), record(EVENTS[2]), last
    )
    assert done.code == 0, done.log
    assert [(r["quantity"], r["logical_timestamp_end"]) for r in done.records] == [(8, 11)]
    assert done.states[-1]["bookmarks"][STREAM] == last["value"]["bookmarks"][STREAM]


@pytest.mark.fault("F28")
@pytest.mark.parametrize(
    ("came", "said"),
    [
        (EVENTS[:2], "sent 3 records of fulfillment_events in this run, and 2 came here"),
        ([*EVENTS, EVENTS[0]], "sent 3 records of fulfillment_events in this run, and 4 came here"),
        ([EVENTS[0], EVENTS[0], EVENTS[2]], "as many came here, but not the same ones (CRC-32 "),
        ([EVENTS[1], EVENTS[0], EVENTS[2]], "as many came here, but not the same ones (CRC-32 "),
        ([], "sent 3 records of fulfillment_events in this run, and 0 came here"),
    ],
    ids=["one is missing", "one came twice", "another one came", "another order", "none came"],
)
def test_a_run_that_lacks_a_record_is_refused_with_the_difference(
    tmp_path: Path, any_output: Message, came: list[Message], said: str
) -> None:
    done = run(tmp_path, any_output, schema(), begin(), *map(record, came), state(sent(*EVENTS)))
    assert done.code == 1
    assert not any(message["value"]["bookmarks"][STREAM]["complete"] for message in done.messages if "value" in message)
    assert not any("logical_timestamp_end" in row for row in done.records)
    (line,) = (line for line in done.log.splitlines() if "ERROR" in line)
    assert said in line
    assert "Traceback" not in done.log


def test_the_first_state_after_the_schema_is_no_echo(tmp_path: Path, any_output: Message) -> None:
    done = run(tmp_path, any_output, schema(), record(EVENTS[0]), state(sent(*EVENTS)))
    assert done.code == 1
    assert "sent 3 records of fulfillment_events in this run, and 1 came here" in done.log


@pytest.mark.parametrize("begun", [(), (schema("events"),)], ids=["null stream map", "alias"])
@pytest.mark.parametrize("echo", [(), (state(sent(EVENTS[0]), None),)], ids=["first run", "later run"])
def test_a_stream_that_did_not_come_at_all_is_refused(
    tmp_path: Path, any_output: Message, begun: tuple[Message, ...], echo: tuple[Message, ...]
) -> None:
    done = run(tmp_path, any_output, *echo, *begun, begin(), state(sent(*EVENTS)))
    assert done.code == 1
    assert "sent 3 records" in done.log
    assert ("no SCHEMA of it came here, only of events" in done.log) == bool(begun)


def test_the_echo_of_the_input_state_is_not_this_runs_count(tmp_path: Path, settings: Message) -> None:
    first = run(tmp_path, settings, schema(), begin(), *map(record, EVENTS[:2]), state(sent(*EVENTS[:2])))
    late = completed(12)
    echo = {"type": "STATE", "value": first.states[-1]}
    done = run(tmp_path, settings, echo, schema(), begin(), record(late), state(sent(late), 12))
    assert done.code == 0, done.log
    assert [(r["quantity"], r["logical_timestamp_start"]) for r in done.records] == [(7, 12)]


def test_a_tap_that_never_says_what_it_has_sent_is_taken_at_its_word(tmp_path: Path, settings: Message) -> None:
    done = run(tmp_path, settings, state(through=None), schema(), *map(record, EVENTS), state())
    assert done.code == 0, done.log
    assert done.states[-1]["bookmarks"]["stock"]["replication_key_value"] == 11


def test_an_older_tap_that_carries_the_count_of_a_newer_ones_run_is_taken_at_its_word(
    tmp_path: Path, settings: Message
) -> None:
    carried = sent(*EVENTS)
    done = run(tmp_path, settings, state(carried, None), schema(), record(EVENTS[0]), state(carried, 10))
    assert done.code == 0, done.log


def test_a_tap_that_says_it_must_go_on_saying_it(tmp_path: Path, settings: Message) -> None:
    done = run(tmp_path, settings, schema(), begin(), *map(record, EVENTS[:2]), state())
    assert (done.code, done.output) == (1, "")
    assert "no longer says how many records" in done.log


@pytest.mark.parametrize(
    "field",
    ["event_id", "event_name", "logical_timestamp", "tenant", "fulfillment_location_id", "released", "items"],
)
def test_a_field_the_schema_lacks_is_an_error_before_any_record(
    tmp_path: Path, any_output: Message, field: str
) -> None:
    rest = [{name: value for name, value in event.items() if name != field} for event in EVENTS]
    done = run(tmp_path, any_output, schema(without=[field]), begin(), *map(record, rest), state(sent(*EVENTS)))
    assert (done.code, done.output) == (1, "")
    assert f"the SCHEMA of fulfillment_events has no {field}: nothing is declared" in done.log
    assert "Traceback" not in done.log


@pytest.mark.parametrize(
    ("form", "fields"), [("taken_at", ["published_at"]), ("booked", ["fulfillment_request_id", "order_id"])]
)
def test_what_a_form_of_proof_goes_by_is_needed_with_that_form_alone(
    tmp_path: Path, settings: Message, form: str, fields: list[str]
) -> None:
    assert run(tmp_path, settings, schema(without=fields), *map(record, EVENTS), state()).code == 0
    bookings = {"booked_url": str(tmp_path / "booked.csv")} if form == "booked" else {}
    proven = {**settings, "on_hand_as_of": form, **bookings}
    done = run(tmp_path, proven, schema(without=fields), *map(record, EVENTS), state())
    assert (done.code, done.output) == (1, "")
    assert f"has no {', '.join(fields)}" in done.log


def test_of_several_sources_each_names_what_its_form_goes_by(tmp_path: Path, settings: Message) -> None:
    lists = {"on_hand_url": settings.pop("on_hand_url")}
    sources = [{"name": "erp", "nodes": ["DC*"], **lists, "on_hand_as_of": "taken_at"}]
    done = run(tmp_path, {**settings, "on_hand_sources": sources}, schema(without=["published_at"]), state())
    assert (done.code, done.output) == (1, "")
    assert "has no published_at" in done.log


@pytest.mark.parametrize("field", ["released", "items"])
def test_a_record_without_what_moves_stock_ends_the_run(tmp_path: Path, settings: Message, field: str) -> None:
    rest = {name: value for name, value in EVENTS[0].items() if name != field}
    done = run(tmp_path, settings, schema(), record(rest), state())
    assert (done.code, done.output) == (1, "")
    assert f"missing required field `{field}`" in done.log
