"""Each STATE says how many records the run has sent, with a checksum of their ids, whatever becomes of them."""

from __future__ import annotations

import json
import typing as t
import zlib

import pytest
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.streams import FulfillmentEventsStream
from tap_newstore_fulfillment.tap import TapNewStoreFulfillment

from tests.tap.events import ASSIGNED, an_event

if t.TYPE_CHECKING:
    from pathlib import Path

Message = dict[str, t.Any]
STREAM = "fulfillment_events"
FIRST, AHEAD = 10, 40
FLATTENED = {"flattening_enabled": True, "flattening_max_depth": 2}


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return a store with 25 settled events, and one that has not settled."""
    url = f"sqlite:///{tmp_path / 'landing.db'}"
    store = LandingStore(url)
    bodies = [an_event(FIRST, name=ASSIGNED), *(an_event(at) for at in range(FIRST + 1, FIRST + 25))]
    store.add([check_event(json.dumps(body).encode()) for body in bodies], received_at=0)
    store.add([check_event(json.dumps(an_event(AHEAD)).encode())], received_at=2**42)
    store.close()
    return url


@pytest.fixture(autouse=True)
def _every_seven_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FulfillmentEventsStream, "STATE_MSG_FREQUENCY", 7)


def run(
    capfd: pytest.CaptureFixture[str],
    settings: dict[str, t.Any],
    state: Message | None = None,
    catalog: Message | None = None,
    method: str | None = None,
) -> list[Message]:
    """Run the tap and return its messages."""
    tap = TapNewStoreFulfillment(config=settings, state=json.loads(json.dumps(state or {})), catalog=catalog)
    if method:
        tap.streams[STREAM].forced_replication_method = method
    tap.sync_all()
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def sent(state: Message) -> Message:
    return t.cast("Message", state["value"]["bookmarks"][STREAM]["sent"])


def sum_of(records: list[Message]) -> Message:
    ids = "".join(message["record"]["event_id"] for message in records)
    return {"count": len(records), "checksum": f"{zlib.crc32(ids.encode()):08x}"}


@pytest.mark.parametrize("flattened", [{}, FLATTENED], ids=["fast path", "the SDK's path"])
@pytest.mark.parametrize("emit_unreleased", [False, True])
@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
def test_each_state_says_what_was_sent_before_it(
    url: str, capfd: pytest.CaptureFixture[str], flattened: Message, emit_unreleased: bool, method: str
) -> None:
    settings = {"landing_url": url, "emit_unreleased": emit_unreleased, **flattened}
    before: list[Message] = []
    states = 0
    for message in run(capfd, settings, method=method):
        if message["type"] == "RECORD":
            before.append(message)
        elif message["type"] == "STATE":
            assert sent(message) == sum_of(before)
            states += 1
    assert len(before) == 25 + emit_unreleased
    assert states >= 4


def test_a_run_counts_from_zero_after_the_echo_of_its_input_state(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    last = run(capfd, {"landing_url": url})[-1]
    store = LandingStore(url)
    store.add([check_event(json.dumps(an_event(12, request="late")).encode())], received_at=0)
    store.close()
    echo, *messages = run(capfd, {"landing_url": url}, last["value"])
    states = [message for message in messages if message["type"] == "STATE"]
    assert sent(echo) == sent(last)
    assert [sent(state)["count"] for state in (states[0], states[-1])] == [0, 1]


@pytest.mark.parametrize(
    "stream_map",
    [{"__filter__": "logical_timestamp != 12"}, {"__alias__": "events"}, {"event_id": "md5(event_id)"}, None],
)
def test_a_stream_map_changes_nothing_in_what_was_sent(
    url: str, capfd: pytest.CaptureFixture[str], stream_map: Message | None
) -> None:
    plain = run(capfd, {"landing_url": url})
    mapped = run(capfd, {"landing_url": url, "stream_maps": {STREAM: stream_map}})
    assert sent(mapped[-1]) == sent(plain[-1])
    assert mapped != plain


def test_deselected_fields_change_nothing_in_what_was_sent(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    plain = run(capfd, {"landing_url": url})
    catalog = json.loads(TapNewStoreFulfillment(config={"landing_url": url}).catalog_json_text)
    for entry in next(entry for entry in catalog["streams"] if entry["stream"] == STREAM)["metadata"]:
        if entry["breadcrumb"] in (["properties", "released"], ["properties", "items"]):
            entry["metadata"]["selected"] = False
    messages = run(capfd, {"landing_url": url}, catalog=catalog)
    without = [message["record"] for message in messages if message["type"] == "RECORD"]
    assert without
    assert not any({"released", "items"} & record.keys() for record in without)
    assert messages[-1]["value"]["bookmarks"][STREAM]["replication_key_value"] == FIRST + 24
    assert sent(messages[-1]) == sent(plain[-1])
