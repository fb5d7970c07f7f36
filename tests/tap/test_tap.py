"""The tap as a process, and the SDK's own suite."""

from __future__ import annotations

import json
import tempfile
import typing as t

import pytest
from singer_sdk.testing import get_tap_test_class
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.tap import TapNewStoreFulfillment

from tests.shop.plugin import Finished, run_plugin
from tests.tap.events import ASSIGNED, an_event, an_older_event

if t.TYPE_CHECKING:
    from pathlib import Path

STREAM = "fulfillment_events"
ITEMS = "fulfillment_event_items"


def fill(url: str, *bodies: dict[str, t.Any]) -> None:
    """Store bodies as if they had been received long ago."""
    store = LandingStore(url)
    store.add([check_event(json.dumps(body).encode()) for body in bodies], received_at=0)
    store.close()


# The suite needs its settings when this module is imported; the directory is removed when the process ends.
SUITE_DIRECTORY = tempfile.TemporaryDirectory()
SUITE_URL = f"sqlite:///{SUITE_DIRECTORY.name}/landing.db"


class TestSdkSuite(get_tap_test_class(TapNewStoreFulfillment, config={"landing_url": SUITE_URL})):  # type: ignore[misc]
    """The whole of the SDK's suite, on a store with both wire shapes."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _filled_store(cls) -> None:
        without_units = an_event(13, name=ASSIGNED, items=[])
        fill(SUITE_URL, an_event(10, name=ASSIGNED), an_event(11, "A", "A"), an_older_event(12), without_units)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'landing.db'}"


class Tap:
    """The tap on one landing store; keeps the last STATE as Meltano does."""

    def __init__(self, directory: Path, url: str, **settings: t.Any) -> None:
        self._directory = directory
        self._settings = {"landing_url": url, **settings}
        self.state: dict[str, t.Any] = {}

    def run(self, *arguments: str) -> Finished:
        state = self._directory / "state.json"
        state.write_text(json.dumps(self.state), encoding="utf-8")
        done = run_plugin(
            "tap-newstore-fulfillment", self._directory, self._settings, "--state", str(state), *arguments
        )
        assert done.code == 0, done.log
        if done.states:
            self.state = done.states[-1]
        return done


def timestamps(done: Finished) -> list[int]:
    return [record["logical_timestamp"] for record in done.records]


def test_the_bookmark_is_the_highest_timestamp_released(tmp_path: Path, url: str) -> None:
    fill(url, an_event(12), an_event(10), an_event(11))
    tap = Tap(tmp_path, url)
    assert timestamps(tap.run()) == [10, 11, 12]
    bookmark = tap.state["bookmarks"][STREAM]
    assert (bookmark["replication_key"], bookmark["replication_key_value"]) == ("logical_timestamp", 12)
    assert timestamps(tap.run()) == []


def test_a_late_event_is_released_by_the_next_run_once(tmp_path: Path, url: str) -> None:
    fill(url, an_event(10), an_event(14))
    tap = Tap(tmp_path, url)
    tap.run()
    fill(url, an_event(12))
    assert timestamps(tap.run()) == [12]
    assert tap.state["bookmarks"][STREAM]["replication_key_value"] == 14
    assert timestamps(tap.run()) == []


def test_events_that_have_not_settled_are_not_released(tmp_path: Path, url: str) -> None:
    store = LandingStore(url)
    store.add([check_event(json.dumps(an_event(10)).encode())], received_at=2**42)
    store.close()
    assert timestamps(Tap(tmp_path, url).run()) == []


def test_the_input_state_is_echoed_before_the_first_record(tmp_path: Path, url: str) -> None:
    fill(url, an_event(10))
    tap = Tap(tmp_path, url)
    tap.state = {"bookmarks": {"stock": {"cut": 17}}}
    first = tap.run().messages[0]
    assert first["type"] == "STATE"
    assert first["value"]["bookmarks"]["stock"] == {"cut": 17}


def test_only_the_last_state_of_a_run_is_complete_even_if_nothing_is_released(tmp_path: Path, url: str) -> None:
    fill(url, an_event(10))
    tap = Tap(tmp_path, url)
    tap.run()
    states = [message["value"] for message in tap.run().messages if message["type"] == "STATE"]
    assert [state["bookmarks"][STREAM]["complete"] for state in states] == [True, False, True]


def test_another_plugins_bookmark_survives(tmp_path: Path, url: str) -> None:
    fill(url, an_event(10))
    tap = Tap(tmp_path, url)
    tap.state = {"bookmarks": {"stock": {"cut": 17}}}
    tap.run()
    assert tap.state["bookmarks"]["stock"] == {"cut": 17}


def test_events_below_the_start_timestamp_are_ignored(tmp_path: Path, url: str) -> None:
    fill(url, an_event(10), an_event(11))
    assert timestamps(Tap(tmp_path, url, start_logical_timestamp=11).run()) == [11]


def test_logical_timestamp_zero_and_below_are_released_once(tmp_path: Path, url: str) -> None:
    fill(url, an_event(-1), an_event(0))
    tap = Tap(tmp_path, url)
    assert timestamps(tap.run()) == [-1, 0]
    assert timestamps(tap.run()) == []


def selecting(directory: Path, url: str, stream: str, breadcrumb: list[str], *, is_selected: bool) -> Path:
    """Discover a catalog, select or deselect one entry, and return its file."""
    done = run_plugin("tap-newstore-fulfillment", directory, {"landing_url": url}, "--discover")
    catalog = json.loads(done.output)
    (entry,) = (entry for entry in catalog["streams"] if entry["tap_stream_id"] == stream)
    (metadata,) = (metadata for metadata in entry["metadata"] if metadata["breadcrumb"] == breadcrumb)
    metadata["metadata"]["selected"] = is_selected
    file = directory / "catalog.json"
    file.write_text(json.dumps(catalog), encoding="utf-8")
    return file


def test_a_deselected_stream_is_not_read(tmp_path: Path, url: str) -> None:
    fill(url, an_event(10))
    tap = Tap(tmp_path, url)
    catalog = selecting(tmp_path, url, STREAM, [], is_selected=False)
    assert tap.run("--catalog", str(catalog)).records == []


def test_a_deselected_field_is_left_out(tmp_path: Path, url: str) -> None:
    fill(url, an_event(10))
    catalog = selecting(tmp_path, url, STREAM, ["properties", "order_id"], is_selected=False)
    (record,) = Tap(tmp_path, url).run("--catalog", str(catalog)).records
    assert "order_id" not in record
    assert record["logical_timestamp"] == 10


def test_discovery_names_key_and_replication_key(tmp_path: Path, url: str) -> None:
    done = run_plugin("tap-newstore-fulfillment", tmp_path, {"landing_url": url}, "--discover")
    streams = json.loads(done.output)["streams"]
    assert {stream["tap_stream_id"]: stream["key_properties"] for stream in streams} == {
        STREAM: ["event_id"],
        ITEMS: ["event_id", "item_number"],
    }
    assert {stream["replication_key"] for stream in streams} == {"logical_timestamp"}


def test_units_are_a_stream_of_their_own_if_selected(tmp_path: Path, url: str) -> None:
    fill(url, an_event(10, "A", "B"), an_event(11, name=ASSIGNED, items=[]))
    assert {message["stream"] for message in Tap(tmp_path, url).run().messages if "stream" in message} == {STREAM}
    catalog = selecting(tmp_path, url, ITEMS, [], is_selected=True)
    done = Tap(tmp_path, url).run("--catalog", str(catalog))
    units = [message["record"] for message in done.messages if message.get("stream") == ITEMS and "record" in message]
    assert [(unit["item_number"], unit["product_id"], unit["logical_timestamp"]) for unit in units] == [
        (0, "A", 10),
        (1, "B", 10),
    ]


def test_unreleased_events_can_be_emitted_without_moving_the_bookmark(tmp_path: Path, url: str) -> None:
    fill(url, an_event(10))
    store = LandingStore(url)
    store.add([check_event(json.dumps(an_event(11)).encode())], received_at=2**42)
    store.close()
    tap = Tap(tmp_path, url, emit_unreleased=True)
    assert [(record["logical_timestamp"], record["released"]) for record in tap.run().records] == [
        (10, True),
        (11, False),
    ]
    assert tap.state["bookmarks"][STREAM]["replication_key_value"] == 10
    assert [(record["logical_timestamp"], record["released"]) for record in tap.run().records] == [(11, False)]


def summary(done: Finished) -> dict[str, t.Any]:
    (line,) = (line for line in done.log.splitlines() if '"run_summary"' in line)
    return t.cast("dict[str, t.Any]", json.loads(line[line.index("{") :]))


def test_the_run_summary_counts_what_was_emitted(tmp_path: Path, url: str) -> None:
    fill(url, an_event(10), an_event(11))
    line = summary(Tap(tmp_path, url).run())
    assert line.pop("seconds") >= 0
    assert line == {
        "event": "run_summary",
        "plugin": "tap-newstore-fulfillment",
        "records": {"fulfillment_events": 2},
        "exit_code": 0,
        "outcome": "sent",
        "reason": "done",
        "code": None,
    }


def test_a_run_that_releases_nothing_says_so(tmp_path: Path, url: str) -> None:
    assert summary(Tap(tmp_path, url).run())["outcome"] == "nothing_to_do"


def test_a_run_that_fails_says_why_at_the_end(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'missing' / 'landing.db'}"
    line = summary(run_plugin("tap-newstore-fulfillment", tmp_path, {"landing_url": url}))
    assert (line["exit_code"], line["outcome"], line["records"]) == (1, "failed", {})
    assert "cannot open the landing store" in line["reason"]


def test_a_run_without_its_settings_has_their_line_and_code_in_its_summary(tmp_path: Path) -> None:
    done = run_plugin("tap-newstore-fulfillment", tmp_path, {})
    line = summary(done)
    assert (done.code, line["exit_code"], line["outcome"], line["code"]) == (2, 2, "failed", "NSS-101")
    assert line["reason"] == "'landing_url' is a required property: set TAP_NEWSTORE_FULFILLMENT_LANDING_URL"


def test_about_names_every_setting(tmp_path: Path) -> None:
    done = run_plugin("tap-newstore-fulfillment", tmp_path, None, "--about", "--format=json")
    settings = json.loads(done.output)["settings"]["properties"]
    assert {"source", "landing_url", "settle_seconds", "start_logical_timestamp"} <= settings.keys()
    assert {"receiver_api_key", "receiver_host", "receiver_port"} <= settings.keys()


def test_the_connection_test_succeeds(tmp_path: Path, url: str) -> None:
    fill(url, an_event(10))
    assert run_plugin("tap-newstore-fulfillment", tmp_path, {"landing_url": url}, "--test").code == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "'landing_url' is a required property"),
        ({"landing_url": "sqlite://", "settle_second": 1}, "'settle_second' was unexpected"),
        ({"landing_url": "sqlite://", "settle_seconds": -1}, "-1 is less than the minimum of 0"),
        ({"landing_url": "sqlite://", "source": "export"}, "'export' is not one of"),
        ({"landing_url": "foo"}, "landing_url: Could not parse SQLAlchemy URL. Correct landing_url"),
        ({"landing_url": "mysql://u:hush@h/d"}, "landing_url: expected SQLite or PostgreSQL, got mysql"),
        ({"landing_url": "oracle+cx_oracle://u:hush@h/d"}, "landing_url: expected SQLite or PostgreSQL, got oracle"),
        ({"landing_url": "sqlite://"}, "landing_url: SQLite in memory keeps nothing"),
        ({"landing_url": "sqlite:///file::memory:?uri=true"}, "landing_url: SQLite in memory keeps nothing"),
        ({"landing_url": "sqlite:///file:x?mode=memory&uri=true"}, "landing_url: SQLite in memory keeps nothing"),
    ],
)
def test_bad_settings_end_with_2_and_one_line(tmp_path: Path, settings: dict[str, t.Any], message: str) -> None:
    done = run_plugin("tap-newstore-fulfillment", tmp_path, settings)
    assert done.code == 2
    assert message in done.log
    assert "Traceback" not in done.log
    assert "hush" not in done.log


def test_a_store_that_cannot_be_opened_exits_with_1_and_reveals_no_secret(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'missing' / 'landing.db'}?password=hunter2"
    done = run_plugin("tap-newstore-fulfillment", tmp_path, {"landing_url": url})
    assert done.code == 1
    assert "landing_url: cannot open the landing store: unable to open database file" in done.log
    assert "Traceback" not in done.log
    assert "hunter2" not in done.log


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("broken.json", "broken.json: not JSON: Expecting property name"),
        ("deep.json", "deep.json: not JSON: nested too deeply"),
        ("nowhere.json", "nowhere.json' was not found"),
        ("ENV", "invalid literal for int() with base 10: 'soon'"),
    ],
)
def test_configuration_that_cannot_be_read_ends_with_2_and_one_line(tmp_path: Path, config: str, message: str) -> None:
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    (tmp_path / "deep.json").write_text("[" * 200_000, encoding="utf-8")
    path = config if config == "ENV" else str(tmp_path / config)
    done = run_plugin(
        "tap-newstore-fulfillment", tmp_path, None, "--config", path, TAP_NEWSTORE_FULFILLMENT_SETTLE_SECONDS="soon"
    )
    assert done.code == 2, done.log
    assert config in ("broken.json", "deep.json") or "cannot be read" in done.log
    assert message in done.log
    assert "Traceback" not in done.log


@pytest.mark.parametrize("option", ["state", "catalog"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON: Expecting value"),
        ("bookmarks", "not JSON: Expecting value"),
        ("[" * 200_000, "not JSON: nested too deeply"),
        ("[]", "expected a JSON object"),
        ("null", "expected a JSON object"),
        ('{"streams": [{}], "bookmarks": 1}', "expected"),
    ],
    ids=["empty", "no JSON", "deep", "a list", "null", "wrong"],
)
def test_a_state_or_catalog_that_cannot_be_read_ends_with_one_line(
    tmp_path: Path, url: str, option: str, text: str, said: str
) -> None:
    file = tmp_path / "given.json"
    file.write_text(text, encoding="utf-8")
    done = run_plugin("tap-newstore-fulfillment", tmp_path, {"landing_url": url}, f"--{option}", str(file))
    is_bookmark = option == "state" and text.startswith("{")
    assert (done.code, done.output) == (1 if is_bookmark else 2, ""), done.log
    line = done.log.splitlines()[-1]
    assert "ERROR" in line
    assert said in line
    assert line.endswith("[NSS-130]" if is_bookmark else "[NSS-101]")
    assert is_bookmark or f"--{option} {file}: " in line
    assert summary(done)["exit_code"] == done.code
    assert "Traceback" not in done.log


@pytest.mark.parametrize("bookmarks", ["text", [], {STREAM: 1}, {STREAM: []}])
def test_bookmarks_of_another_type_are_no_bookmarks_of_ours(tmp_path: Path, url: str, bookmarks: object) -> None:
    done = with_state(tmp_path, url, bookmarks)
    assert done.code == 1
    assert "expected an object. Restore the state" in done.log
    assert done.log.endswith("[NSS-130]\n")


@pytest.mark.parametrize("bookmarks", [None, {STREAM: None}, {STREAM: None, ITEMS: None}])
def test_null_for_bookmarks_is_none(tmp_path: Path, url: str, bookmarks: object) -> None:
    fill(url, an_event(10))
    done = with_state(tmp_path, url, bookmarks)
    assert done.code == 0, done.log
    assert done.records


def with_state(directory: Path, url: str, bookmarks: object) -> Finished:
    file = directory / "state.json"
    file.write_text(json.dumps({"bookmarks": bookmarks}), encoding="utf-8")
    return run_plugin("tap-newstore-fulfillment", directory, {"landing_url": url}, "--state", str(file))
