"""Export files in an S3 bucket, over HTTP, and its failures."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import typing as t

import pytest

from tests.shop.plugin import run_plugin
from tests.shop.process import Process, command, wait_until
from tests.tap.events import an_event
from tests.tap.export_files import ExportDirectory, ExportTap, an_export, timestamps

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.object_store import ObjectStore


@pytest.fixture
def tap(tmp_path: Path, object_store: ObjectStore) -> ExportTap:
    return ExportTap(tmp_path, f"s3://{object_store.bucket}/events", object_store.variables)


def test_events_in_a_bucket_come_out_once_in_timestamp_order(object_store: ObjectStore, tap: ExportTap) -> None:
    object_store.put("events/demo/1700000300000-data-b.export", an_export(an_event(13), an_event(10), b"temp"))
    object_store.put("events/demo/1700000600000-data-c.export", an_export(an_event(10), an_event(14), packed=True))
    object_store.put("elsewhere/demo/1700000600000-data-c.export", an_export(an_event(99)))
    assert timestamps(tap.run()) == [10, 13, 14]
    object_store.put("events/demo/1700000000000-data-a.export", an_export(an_event(12), b"bad"))
    assert timestamps(tap.run()) == [12]
    assert [(row["file"], row["line"]) for row in tap.rejected()] == [("demo/1700000000000-data-a.export", 2)]
    assert timestamps(tap.run()) == []


def test_a_landing_store_on_either_database_stores_them(
    tmp_path: Path, object_store: ObjectStore, database_url: str
) -> None:
    url = f"s3://{object_store.bucket}/events"
    tap = ExportTap(tmp_path, url, object_store.variables, landing_url=database_url)
    tap.settings["export_rejects_path"] = str(tap.rejects)
    object_store.put("events/demo/2-data-b.export", an_export(an_event(10), an_event(12), an_event(10)))
    assert timestamps(tap.run()) == [10, 12]
    object_store.put("events/demo/1-data-a.export", an_export(an_event(11), an_event(12)))
    assert timestamps(tap.run()) == [11]
    assert timestamps(tap.run()) == []


def test_a_prefix_may_have_more_files_than_a_page_of_the_listing(object_store: ObjectStore, tap: ExportTap) -> None:
    for number in range(1_020):
        object_store.put(f"events/demo/{number:013}-data-a.export", b"temp\n")
    object_store.put("events/demo/1700000000000-data-a.export", an_export(an_event(10)))
    done = tap.run()
    assert timestamps(done) == [10]
    assert "1021 export files below" in done.log
    assert ", 1021 read, 1 new" in done.log
    assert ", 0 read, 0 new" in tap.run().log
    tap.settings["export_files_start_date"] = "2023-01-01T00:00:00Z"
    assert "1 export files below" in tap.run().log


def test_a_lifecycle_rule_may_remove_what_has_been_read(object_store: ObjectStore, tap: ExportTap) -> None:
    old = "events/demo/1700000000000-data-a.export"
    object_store.put(old, an_export(an_event(10), b"bad"))
    object_store.put("events/demo/1700000300000-data-b.export", an_export(an_event(11)))
    assert timestamps(tap.run()) == [10, 11]
    object_store.client.delete_object(Bucket=object_store.bucket, Key=old)
    done = tap.run()
    assert timestamps(done) == []
    assert "1 export files below" in done.log
    tap.state = {}
    assert timestamps(tap.run()) == [10, 11]
    assert len(tap.rejected()) == 1


def test_an_empty_prefix_releases_nothing(object_store: ObjectStore, tap: ExportTap) -> None:
    done = tap.run()
    assert done.records == []
    assert f"nothing is stored below s3://{object_store.bucket}/events" in done.log


def test_a_missing_bucket_exits_with_1(tmp_path: Path, object_store: ObjectStore) -> None:
    done = ExportTap(tmp_path, "s3://no-such-bucket/events", object_store.variables).try_to_run()
    assert done.code == 1
    assert "export_files_url: there is no directory or bucket s3://no-such-bucket/events" in done.log


def test_the_connection_test_reads_the_prefix(object_store: ObjectStore, tap: ExportTap) -> None:
    object_store.put("events/demo/1-data-a.export", an_export(an_event(10)))
    done = run_plugin("tap-newstore-fulfillment", tap.directory, tap.settings, "--test", **object_store.variables)
    assert done.code == 0
    assert "1 export files below" in done.log


@pytest.mark.fault("F21")
def test_a_store_that_does_not_answer_exits_with_1_and_one_line(tmp_path: Path, object_store: ObjectStore) -> None:
    nobody = {**object_store.variables, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    done = ExportTap(tmp_path, f"s3://{object_store.bucket}/events", nobody).try_to_run()
    assert done.code == 1
    assert "export_files_url: cannot list s3://" in done.log
    assert "Traceback" not in done.log
    assert done.records == []


@pytest.mark.fault("F6")
def test_a_tap_killed_while_reading_loses_and_repeats_nothing(tmp_path: Path) -> None:
    exports = ExportDirectory(tmp_path / "exports")
    files, events = 8, 4_000
    for number in range(files):
        first = number * events
        exports.put(f"{number}-data-a.export", *(an_event(first + at) for at in range(events)), packed=number % 2 == 0)
    tap = ExportTap(tmp_path, exports.path)
    config = tmp_path / "killed.json"
    config.write_text(json.dumps(tap.settings), encoding="utf-8")
    database = tmp_path / "landing.db"
    for kept in (1, 12_000, 25_000):
        process = Process([command("tap-newstore-fulfillment"), "--config", str(config)], tmp_path / "killed.log")
        wait_until(lambda kept=kept: _events(database) >= kept, f"{kept} events")  # type: ignore[misc]
        process.kill()
    done = run_plugin("tap-newstore-fulfillment", tmp_path, tap.settings)
    assert done.code == 0, done.log
    assert timestamps(done) == list(range(files * events))


def _events(database: Path) -> int:
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM fulfillment_event").fetchone()[0])
    return 0
