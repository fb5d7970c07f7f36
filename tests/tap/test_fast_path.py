"""The fast path writes the same messages as the SDK's own path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t

import pytest
from tap_newstore_fulfillment import fast_path
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.streams import FulfillmentEventItemsStream, FulfillmentEventsStream
from tap_newstore_fulfillment.tap import TapNewStoreFulfillment

from tests.shop.process import STOP_SECONDS, command, environment
from tests.tap.events import ASSIGNED, an_event, an_older_event

if t.TYPE_CHECKING:
    from pathlib import Path

Message = dict[str, t.Any]
STREAMS = (FulfillmentEventsStream, FulfillmentEventItemsStream)
LATE = 9


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return a store with both wire shapes, unknown fields, an event without units and one with many."""
    url = f"sqlite:///{tmp_path / 'landing.db'}"
    odd = [{"id": "1", "product_id": "Ä\\u0022", "price": 1.50, "gift": None}]
    bodies = [
        an_event(10, name=ASSIGNED, items=None),
        an_event(11, "A", "B", "A"),
        an_older_event(12),
        an_event(13, items=odd, service_level=None, unknown={"a": [1]}),
        an_event(14, name="fulfillment_request.something_new", items=[]),
        *(an_event(at, "A", "B", request=f"fr-{at}") for at in range(15, 40)),
        an_event(LATE, request="late"),
    ]
    store = LandingStore(url)
    for body in bodies:
        store.add([check_event(json.dumps(body).encode())], received_at=0)
    store.add([check_event(json.dumps(an_event(99, request="new")).encode())], received_at=2**42)
    store.close()
    return url


def run(
    capfd: pytest.CaptureFixture[str],
    settings: dict[str, t.Any],
    state: dict[str, t.Any] | None = None,
    change: t.Callable[[TapNewStoreFulfillment], None] = lambda _tap: None,
) -> list[Message]:
    """Run the tap over all its streams; return its messages."""
    tap = TapNewStoreFulfillment(config=settings, state=json.loads(json.dumps(state or {})))
    for stream in tap.streams.values():
        stream.selected = True
    change(tap)
    tap.sync_all()
    return [without_moment(json.loads(line)) for line in capfd.readouterr().out.splitlines()]


def without_moment(message: Message) -> Message:
    if message["type"] == "RECORD":
        assert message.pop("time_extracted").endswith("+00:00")
    if message["type"] == "STATE":
        for bookmark in message["value"]["bookmarks"].values():
            bookmark.pop("reader_id", None)
    return message


@pytest.fixture
def every_seven_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make states frequent, so that some fall between the records of one event."""
    for stream in STREAMS:
        monkeypatch.setattr(stream, "STATE_MSG_FREQUENCY", 7)


@pytest.mark.usefixtures("every_seven_records")
@pytest.mark.parametrize("emit_unreleased", [False, True])
@pytest.mark.parametrize("bookmark", [None, 20])
def test_both_paths_write_the_same_messages(
    url: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    emit_unreleased: bool,
    bookmark: int | None,
) -> None:
    store = LandingStore(url)
    position = {"replication_key": "logical_timestamp", "position": 30, "store_id": store.store_id}
    store.close()
    bookmarks = {stream.name: {**position, "replication_key_value": bookmark} for stream in STREAMS}
    state = {"bookmarks": bookmarks} if bookmark else None
    settings = {"landing_url": url, "settle_seconds": 900, "emit_unreleased": emit_unreleased}
    fast = run(capfd, settings, state)
    monkeypatch.setattr(fast_path, "is_plain", lambda _stream: False)
    assert fast == run(capfd, settings, state)
    records = [message["record"] for message in fast if message["type"] == "RECORD"]
    assert len(records) > 20
    assert any(record["logical_timestamp"] == LATE for record in records)
    assert any(not record["released"] for record in records) == emit_unreleased


@pytest.mark.usefixtures("every_seven_records")
@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
@pytest.mark.parametrize("late", [1, 7, 10])
def test_both_paths_write_the_same_messages_when_late_events_come_last(
    url: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, method: str, late: int
) -> None:
    settings = {"landing_url": url, "settle_seconds": 900}
    state = run(capfd, settings)[-1]["value"]
    store = LandingStore(url)
    bodies = [an_event(at, "A", "B", request=f"late-{at}") for at in range(20, 20 + late)]
    store.add([check_event(json.dumps(body).encode()) for body in bodies], received_at=0)
    store.close()
    run(capfd, settings, state)

    def read_by_method(tap: TapNewStoreFulfillment) -> None:
        for stream in tap.streams.values():
            stream.forced_replication_method = method

    fast = run(capfd, settings, change=read_by_method)
    monkeypatch.setattr(fast_path, "is_plain", lambda _stream: False)
    assert without_versions(fast) == without_versions(run(capfd, settings, change=read_by_method))
    assert sum("late_through" in json.dumps(message) for message in fast) > 1


def without_versions(messages: list[Message]) -> list[Message]:
    return [{name: value for name, value in message.items() if name != "version"} for message in messages]


def test_a_plain_run_takes_the_fast_path(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    written: list[str] = []

    def watch(tap: TapNewStoreFulfillment) -> None:
        written.extend(name for name, stream in tap.streams.items() if fast_path.is_plain(stream))

    run(capfd, {"landing_url": url}, change=watch)
    assert sorted(written) == ["fulfillment_event_items", "fulfillment_events"]


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({"stream_maps": {"fulfillment_events": {"__alias__": "events"}}}, "__alias__"),
        ({"stream_maps": {"fulfillment_events": {"order_id": "md5(order_id) if order_id else None"}}}, "mapped"),
        ({"stream_maps": {"fulfillment_events": {"__filter__": "logical_timestamp > 12"}}}, "filtered"),
        ({"flattening_enabled": True, "flattening_max_depth": 2}, "flattened"),
    ],
)
def test_configured_changes_take_the_sdks_path(
    url: str, capfd: pytest.CaptureFixture[str], settings: dict[str, t.Any], changed: str
) -> None:
    del changed
    config = {"landing_url": url, **settings}
    assert not fast_path.is_plain(TapNewStoreFulfillment(config=config).streams["fulfillment_events"])
    plain, configured = run(capfd, {"landing_url": url}), run(capfd, config)
    assert configured
    assert configured != plain


def records_with(catalog: dict[str, t.Any], url: str, capfd: pytest.CaptureFixture[str]) -> list[Message]:
    TapNewStoreFulfillment(config={"landing_url": url}, catalog=catalog).sync_all()
    return [json.loads(line)["record"] for line in capfd.readouterr().out.splitlines() if '"RECORD"' in line]


@pytest.fixture
def catalog(url: str) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(TapNewStoreFulfillment(config={"landing_url": url}).catalog_json_text))


def events_of(catalog: dict[str, t.Any]) -> dict[str, t.Any]:
    (entry,) = (entry for entry in catalog["streams"] if entry["tap_stream_id"] == "fulfillment_events")
    return t.cast("dict[str, t.Any]", entry)


def test_a_deselected_field_takes_the_sdks_path(
    url: str, catalog: dict[str, t.Any], capfd: pytest.CaptureFixture[str]
) -> None:
    for entry in events_of(catalog)["metadata"]:
        if entry["breadcrumb"] == ["properties", "order_id"]:
            entry["metadata"]["selected"] = False
    records = records_with(catalog, url, capfd)
    assert records
    assert all("order_id" not in record and "items" in record for record in records)


def test_a_field_missing_in_the_catalogs_schema_takes_the_sdks_path(
    url: str, catalog: dict[str, t.Any], capfd: pytest.CaptureFixture[str]
) -> None:
    del events_of(catalog)["schema"]["properties"]["order_id"]
    records = records_with(catalog, url, capfd)
    assert records
    assert all("order_id" not in record for record in records)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can enlarge a pipe")
def test_the_pipe_holds_a_whole_batch(url: str) -> None:
    import fcntl  # noqa: PLC0415 - does not exist on every system

    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as messages:
        variables = environment(TAP_NEWSTORE_FULFILLMENT_LANDING_URL=url)
        tap = [command("tap-newstore-fulfillment"), "--config", "ENV"]
        subprocess.run(tap, stdout=writer, env=variables, check=True, timeout=STOP_SECONDS)
        os.close(writer)
        assert fcntl.fcntl(messages, fcntl.F_GETPIPE_SZ) == fast_path.PIPE_BYTES
        assert messages.read().count(b'"RECORD"') > len(STREAMS)
