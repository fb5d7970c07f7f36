"""The mapper as a process."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import typing as t

import pytest

from tests.mapper.shop_day import STREAM, completed, read_cuts
from tests.shop.erp import Erp
from tests.shop.plugin import Finished, run_plugin
from tests.shop.process import command, environment, wait_until

if t.TYPE_CHECKING:
    from pathlib import Path

SKU = ("DC01", "SKU-1")


def schema() -> dict[str, t.Any]:
    return {"type": "SCHEMA", "stream": STREAM, "schema": {"properties": {}}, "key_properties": ["event_id"]}


def records(*events: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    return [{"type": "RECORD", "stream": STREAM, "record": event} for event in events]


def state(through: int, position: int) -> dict[str, t.Any]:
    bookmark = {"replication_key": "logical_timestamp", "replication_key_value": through}
    return {"type": "STATE", "value": {"bookmarks": {STREAM: {**bookmark, "position": position, "store_id": "s"}}}}


@pytest.fixture
def erp(tmp_path: Path) -> Erp:
    erp = Erp(tmp_path / "on_hand.csv")
    erp.count(*SKU, 10)
    return erp


@pytest.fixture
def settings(tmp_path: Path, erp: Erp) -> dict[str, t.Any]:
    return {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}", "on_hand_url": str(erp.path)}


def run_mapper(directory: Path, settings: dict[str, t.Any], *messages: dict[str, t.Any]) -> Finished:
    return run_plugin("mapper-newstore-stock", directory, settings, messages=messages)


def test_events_become_a_schema_a_cut_and_its_state(tmp_path: Path, settings: dict[str, t.Any]) -> None:
    done = run_mapper(tmp_path, settings, schema(), *records(completed(10), completed(11)), state(11, 2))
    assert done.code == 0
    assert [message["type"] for message in done.messages] == ["SCHEMA", "RECORD", "STATE"]
    assert done.messages[0]["key_properties"] == ["fulfillment_node_id", "product_id"]
    assert done.records == [
        {
            "fulfillment_node_id": "DC01",
            "product_id": "SKU-1",
            "quantity": 8,
            "logical_timestamp_start": 10,
            "logical_timestamp_end": 11,
            "cut_id": "1",
            "cut_size": 1,
        }
    ]


def test_a_run_without_changes_passes_the_state_on_and_nothing_else(tmp_path: Path, settings: dict[str, t.Any]) -> None:
    first = run_mapper(tmp_path, settings, schema(), *records(completed(10)), state(10, 1))
    second = run_mapper(tmp_path, settings, first.messages[-1], schema(), state(10, 1))
    assert second.code == 0
    assert [message["type"] for message in second.messages] == ["STATE"]
    assert second.states[0]["bookmarks"]["stock"]["cut"] == 1
    assert second.states[0]["bookmarks"][STREAM]["replication_key_value"] == 10


def test_the_schema_says_which_runs_its_ledger_has_seen(tmp_path: Path, settings: dict[str, t.Any]) -> None:
    before: list[str] = []
    for at in (10, 11, 12):
        done = run_mapper(tmp_path, settings, schema(), *records(completed(at)), state(at, at))
        (cuts_of,) = [each["schema"]["x-cuts-of"] for each in done.messages if each["type"] == "SCHEMA"]
        assert cuts_of["runs_before"] == before
        before.insert(0, cuts_of["run"])


def test_no_input_at_all_is_no_error(tmp_path: Path, settings: dict[str, t.Any]) -> None:
    done = run_mapper(tmp_path, settings)
    assert (done.code, done.output) == (0, "")


def test_other_streams_are_left_out(tmp_path: Path, settings: dict[str, t.Any]) -> None:
    other = {"type": "RECORD", "stream": "orders", "record": {"id": 1}}
    about = {"type": "SCHEMA", "stream": "orders", "schema": {"properties": {}}, "key_properties": []}
    done = run_mapper(tmp_path, settings, about, other, schema(), *records(completed(10)), state(10, 1))
    assert [record["quantity"] for record in done.records] == [9]


@pytest.mark.adapter_mistake("skipped the bad part but declared the whole range")
@pytest.mark.adapter_mistake("logged errors and reported success")
def test_missing_on_hand_ends_with_1_when_asked_lists_the_keys_and_sends_nothing(
    tmp_path: Path, settings: dict[str, t.Any]
) -> None:
    settings["held_keys"] = "fail"
    done = run_mapper(tmp_path, settings, schema(), *records(completed(10, "SKU-1", "X", "Y")), state(10, 1))
    assert (done.code, done.output) == (1, "")
    assert "no on-hand row for keys with completed units: DC01/X, DC01/Y." in done.log
    assert "Traceback" not in done.log


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ledger_url": None}, "'ledger_url' is a required property"),
        ({"on_hand_url": None}, "'on_hand_url' is a required property"),
        ({"max_cut_item": 1}, "'max_cut_item' was unexpected"),
        ({"max_cut_items": 0}, "0 is less than the minimum of 1"),
        ({"on_hand_url": "sqlite:///x.db"}, "on_hand_table or on_hand_query: one is required"),
        ({"on_hand_table": "a", "on_hand_query": "SELECT 1"}, "set one of them, not both"),
        ({"clock_skew_seconds": 10**20}, "is greater than the maximum of 1000000000"),
        ({"on_hand_lag_seconds": 10**20}, "is greater than the maximum of 1000000000"),
        ({"on_hand_columns": {"amount": "a"}}, "'amount' was unexpected"),
        ({"on_hand_columns": {"quantity": ""}}, "'' should be non-empty in config['on_hand_columns']['quantity']"),
        (
            {"on_hand_columns": {"quantity": "n", "as_of_logical_timestamp": "n"}},
            "on_hand_columns: quantity and as_of_logical_timestamp are both read from the column n",
        ),
        (
            {"on_hand_columns": {"fulfillment_node_id": "product_id"}},
            "on_hand_columns: fulfillment_node_id and product_id are both read from the column product_id",
        ),
        (
            {"on_hand_as_of": "booked", "booked_url": "b.csv", "booked_columns": {"order_id": "o", "product_id": "o"}},
            "booked_columns: order_id and product_id are both read from the column o",
        ),
    ],
)
def test_bad_settings_end_with_2_and_one_line(
    tmp_path: Path, settings: dict[str, t.Any], changes: dict[str, t.Any], said: str
) -> None:
    bad = {name: value for name, value in {**settings, **changes}.items() if value is not None}
    done = run_mapper(tmp_path, bad)
    assert done.code == 2
    assert said in done.log
    assert "Traceback" not in done.log


def test_a_column_that_is_null_keeps_its_name(tmp_path: Path, settings: dict[str, t.Any]) -> None:
    settings |= {"on_hand_columns": {"quantity": None, "as_of_logical_timestamp": None}}
    done = run_mapper(tmp_path, settings, schema(), *records(completed(10)), state(10, 1))
    assert [record["quantity"] for record in done.records] == [9], done.log


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("foo", "Could not parse"),
        ("sqlite://", "SQLite in memory"),
        ("mysql://user:hush@127.0.0.1:1/db", "expected SQLite or PostgreSQL, got mysql"),
        ("oracle+cx_oracle://user:hush@127.0.0.1:1/db", "expected SQLite or PostgreSQL, got oracle"),
    ],
)
def test_a_ledger_url_that_names_no_place_ends_with_2(
    tmp_path: Path, settings: dict[str, t.Any], wrong: str, said: str
) -> None:
    settings["ledger_url"] = wrong
    done = run_mapper(tmp_path, settings, schema(), *records(completed(10)), state(10, 1))
    assert (done.code, done.output) == (2, ""), done.log
    assert f"ledger_url: {said}" in done.log
    assert "Traceback" not in done.log


@pytest.mark.parametrize(
    "line",
    [
        '{"type": "REC',
        "[]",
        '{"type": "NEWS"}',
        '{"type": []}',
        "{}",
        '{"type": "RECORD"}',
        '{"type": "RECORD", "stream": "fulfillment_events", "record": []}',
        '{"type": "STATE", "value": []}',
        '{"type": "STATE", "value": {"bookmarks": null}}',
        '{"type": "BATCH", "stream": "fulfillment_events", "encoding": {}, "manifest": []}',
    ],
)
def test_a_broken_line_ends_with_1_and_one_line(tmp_path: Path, settings: dict[str, t.Any], line: str) -> None:
    done = run_plugin("mapper-newstore-stock", tmp_path, settings, messages=line + "\n")
    assert (done.code, done.output) == (1, "")
    (said,) = (line for line in done.log.splitlines() if "ERROR" in line)
    assert re.search("[Ll]ine|record|STATE|BATCH", said)
    assert "Traceback" not in done.log


def test_on_hand_comes_from_a_table_with_its_own_names(tmp_path: Path, settings: dict[str, t.Any]) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "erp.db")) as connection, connection:
        connection.execute("CREATE TABLE stock (site TEXT, sku TEXT, amount INTEGER, seen INTEGER)")
        connection.execute("INSERT INTO stock VALUES ('DC01', 'SKU-1', 9, 10), ('DC01', 'SKU-2', 4, NULL)")
    table = {
        "on_hand_url": f"sqlite:///{tmp_path / 'erp.db'}",
        "on_hand_table": "stock",
        "on_hand_columns": {
            "fulfillment_node_id": "site",
            "product_id": "sku",
            "quantity": "amount",
            "as_of_logical_timestamp": "seen",
        },
    }
    done = run_mapper(
        tmp_path,
        {**settings, **table},
        schema(),
        *records(completed(10), completed(11, "SKU-1", "SKU-2")),
        state(11, 2),
    )
    assert read_cuts(done.messages)[0].quantities == {SKU: 8, ("DC01", "SKU-2"): 3}


def test_on_hand_comes_from_a_query(tmp_path: Path, settings: dict[str, t.Any]) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "erp.db")) as connection, connection:
        connection.execute("CREATE TABLE stock (site TEXT, sku TEXT, amount INTEGER)")
        connection.execute("INSERT INTO stock VALUES ('DC01', 'SKU-1', 4), ('DC01', 'SKU-1', 5)")
    query = {
        "on_hand_url": f"sqlite:///{tmp_path / 'erp.db'}",
        "on_hand_query": "SELECT site AS fulfillment_node_id, sku AS product_id, sum(amount) AS quantity, "
        "NULL AS as_of_logical_timestamp FROM stock GROUP BY site, sku",
    }
    done = run_mapper(tmp_path, {**settings, **query}, schema(), *records(completed(10)), state(10, 1))
    assert read_cuts(done.messages)[0].quantities == {SKU: 8}


def test_a_database_that_cannot_be_reached_ends_with_1_and_no_password(
    tmp_path: Path, settings: dict[str, t.Any]
) -> None:
    url = f"sqlite:///{tmp_path / 'missing' / 'erp.db'}?password=hunter2"
    done = run_mapper(tmp_path, {**settings, "on_hand_url": url, "on_hand_table": "stock"}, schema(), state(10, 1))
    assert (done.code, done.output) == (1, "")
    assert "on_hand_url: cannot read stock" in done.log
    assert "hunter2" not in done.log
    assert "Traceback" not in done.log


@pytest.mark.fault("F15")
@pytest.mark.adapter_mistake("took locks without an owner, which outlived the process")
def test_a_killed_holder_of_the_ledger_blocks_nobody(tmp_path: Path, settings: dict[str, t.Any]) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    with subprocess.Popen(
        [command("mapper-newstore-stock"), "--config", str(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
        text=True,
    ) as holder:
        assert holder.stdin is not None
        holder.stdin.write(json.dumps(schema()) + "\n" + json.dumps(state(10, 1)) + "\n")
        holder.stdin.flush()
        wait_until((tmp_path / "ledger.db").exists, "ledger")
        refused = wait_until(
            lambda: _refused(tmp_path, settings), "refusal of a second run while the first holds the ledger"
        )
        assert f"process {holder.pid} on host" in refused.log
        os.kill(holder.pid, signal.SIGKILL)
    assert run_mapper(tmp_path, settings, schema(), state(10, 1)).code == 0


def _refused(directory: Path, settings: dict[str, t.Any]) -> Finished | None:
    done = run_mapper(directory, settings, schema(), state(10, 1))
    return done if done.code == 1 and "the ledger is in use" in done.log else None


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("broken.json", "Expecting property name"),
        ("nowhere.json", "nowhere.json' was not found"),
        ("list.json", "list.json: expected a JSON object"),
        ("ENV", "MAPPER_NEWSTORE_STOCK_MAX_CUT_ITEMS is 'soon', expected a whole number"),
        ("ENV", "invalid literal for int() with base 10: 'soon'"),
    ],
)
def test_configuration_that_cannot_be_read_ends_with_2_and_one_line(tmp_path: Path, config: str, said: str) -> None:
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    (tmp_path / "list.json").write_text("[]", encoding="utf-8")
    path = config if config == "ENV" else str(tmp_path / config)
    done = run_plugin(
        "mapper-newstore-stock", tmp_path, None, "--config", path, MAPPER_NEWSTORE_STOCK_MAX_CUT_ITEMS="soon"
    )
    assert done.code == 2, done.log
    assert said in done.log
    assert "Traceback" not in done.log


def summary(done: Finished) -> dict[str, t.Any]:
    (line,) = (line for line in done.log.splitlines() if '"run_summary"' in line)
    said = t.cast("dict[str, t.Any]", json.loads(line[line.index("{") :]))
    assert said.pop("seconds") >= 0
    return said


def test_one_line_at_the_end_sums_up_the_run(tmp_path: Path, settings: dict[str, t.Any]) -> None:
    done = run_mapper(tmp_path, settings, schema(), *records(completed(10), completed(11)), state(11, 2))
    assert summary(done) == {
        "event": "run_summary",
        "plugin": "mapper-newstore-stock",
        "events": 2,
        "cuts": 1,
        "records": 1,
        "hidden": 0,
        "hidden_settling": 0,
        "hidden_unproven": 0,
        "hidden_clock_skew": 0,
        "hidden_held": 0,
        "hidden_import_wait": 0,
        "held": 0,
        "stale": 0,
        "vanished": 0,
        "exit_code": 0,
        "outcome": "sent",
        "reason": "done",
        "code": None,
    }


def test_the_summary_has_hidden_units_by_cause(tmp_path: Path, settings: dict[str, t.Any], erp: Erp) -> None:
    sent = run_mapper(tmp_path, settings, schema(), state(9, 0))
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as ledger:
        ledger.execute("UPDATE run SET started_at = '2025-01-01T00:00:00+00:00'")
    erp.count(*SKU, 12)
    said = summary(run_mapper(tmp_path, settings, sent.messages[-1], schema(), state(9, 0)))
    parts = {name: value for name, value in said.items() if name.startswith("hidden_")}
    assert said["hidden"] == parts["hidden_import_wait"] == sum(parts.values()) > 0
    assert len(parts) == 5


def test_the_summary_says_what_became_of_the_run(tmp_path: Path, settings: dict[str, t.Any]) -> None:
    assert summary(run_mapper(tmp_path, settings))["outcome"] == "no_input"
    dying = state(10, 1)
    dying["value"]["bookmarks"][STREAM]["complete"] = False
    assert summary(run_mapper(tmp_path, settings, schema(), dying))["outcome"] == "incomplete_input"
    sent = run_mapper(tmp_path, settings, schema(), state(9, 0))
    assert summary(sent)["outcome"] == "sent"
    assert (
        summary(run_mapper(tmp_path, settings, sent.messages[-1], schema(), state(9, 0)))["outcome"] == "nothing_to_do"
    )


def test_a_run_that_fails_says_why_at_the_end(tmp_path: Path, settings: dict[str, t.Any]) -> None:
    settings["held_keys"] = "fail"
    said = summary(run_mapper(tmp_path, settings, schema(), *records(completed(10, "X")), state(10, 1)))
    assert (said["exit_code"], said["outcome"], said["events"], said["cuts"]) == (1, "failed", 1, 0)
    assert "no on-hand row for keys with completed units: DC01/X" in said["reason"]
