"""Export files as the tap's source: real processes, a directory or an S3 server over HTTP."""

from __future__ import annotations

import json
import time
import typing as t
import zlib

import fsspec
import pytest
from tap_newstore_fulfillment.errors import TapError
from tap_newstore_fulfillment.export_files.prefix import ExportPrefix

from tests.shop.plugin import run_command, run_plugin
from tests.tap.events import an_event
from tests.tap.export_files import ExportDirectory, ExportTap, an_export, timestamps

if t.TYPE_CHECKING:
    from pathlib import Path

STREAM = "fulfillment_events"


@pytest.fixture
def exports(tmp_path: Path) -> ExportDirectory:
    return ExportDirectory(tmp_path / "exports")


@pytest.fixture
def tap(tmp_path: Path, exports: ExportDirectory) -> ExportTap:
    return ExportTap(tmp_path, exports.path)


def holes(tap: ExportTap) -> list[list[int]]:
    """Return what no range may cover, as the last bookmark says."""
    found: list[list[int]] = tap.state["bookmarks"][STREAM].get("holes", [])
    return found


def test_events_of_all_files_come_out_once_in_timestamp_order(exports: ExportDirectory, tap: ExportTap) -> None:
    exports.put("1700000300000-data-b.export", an_event(13), an_event(10), an_event(13))
    exports.put("1700000000000-data-a.export", an_event(12), an_event(10), an_event(11))
    assert timestamps(tap.run()) == [10, 11, 12, 13]
    assert timestamps(tap.run()) == []


@pytest.mark.fault("F19")
def test_gzip_is_recognised_by_its_first_bytes_not_by_its_name(exports: ExportDirectory, tap: ExportTap) -> None:
    exports.put("1-data-a.export", an_event(10), packed=True)
    exports.put("2-data-b.export.gz", an_event(11))
    exports.put("3-data-c.export.gz", an_event(12), packed=True)
    assert timestamps(tap.run()) == [10, 11, 12]
    assert tap.rejected() == []


@pytest.mark.fault("F19")
def test_empty_files_empty_lines_and_temp_lines_are_ignored(exports: ExportDirectory, tap: ExportTap) -> None:
    exports.put("1-data-a.export")
    exports.put("2-data-b.export", b"temp")
    exports.put("3-data-c.export", b"", b"temp\r", an_event(10), b"  ", b"temp")
    exports.put("4-data-d.export", packed=True)
    assert timestamps(tap.run()) == [10]
    assert tap.rejected() == []


@pytest.mark.parametrize("start", ["2023-11-14T22:18:20Z", "2023-11-14 23:18:20+01:00"])
def test_files_from_before_the_start_date_are_not_read(tmp_path: Path, exports: ExportDirectory, start: str) -> None:
    tap = ExportTap(tmp_path, exports.path, export_files_start_date=start)
    exports.put("1700000299999-data-a.export", an_event(10))
    exports.put("1700000300000-data-b.export", an_event(11))
    exports.put("1700000300001-data-c.export", an_event(12))
    exports.put("backfill.export", an_event(13))
    assert timestamps(tap.run()) == [11, 12, 13]
    del tap.settings["export_files_start_date"]
    assert timestamps(tap.run()) == [10]


def test_a_file_whose_name_is_no_text_stops_nothing(exports: ExportDirectory, tap: ExportTap) -> None:
    exports.put("1-data-a.export", an_event(10))
    exports.put("\udcff.export", an_event(11))
    done = tap.run()
    assert timestamps(done) == [10]
    assert r"demo/\udcff.export' is not read: its name is no text" in done.log


def test_other_files_are_ignored(exports: ExportDirectory, tap: ExportTap) -> None:
    exports.put("notes.txt", b"not an export file")
    exports.put("1-data-a.export", an_event(10))
    assert timestamps(tap.run()) == [10]
    assert tap.rejected() == []


@pytest.mark.fault("F19")
@pytest.mark.adapter_mistake("dropped a whole file for one bad cell")
def test_a_bad_line_goes_to_the_reject_file_and_the_run_goes_on(exports: ExportDirectory, tap: ExportTap) -> None:
    bad = json.dumps(an_event(11, items=[{"id": "1", "product_id": []}])).encode()
    exports.put("1-data-a.export", an_event(10), bad, b'{"half', b"\xff\xfe", an_event(12))
    done = tap.run()
    assert timestamps(done) == [10, 12]
    file = "demo/1-data-a.export"
    kept = tap.rejected()
    assert kept[0] == {
        "file": file,
        "line": 2,
        "reason": "payload.items[0].product_id: expected str, got array",
        "raw": bad.decode(),
    }
    assert [(row["file"], row["line"]) for row in kept] == [(file, 2), (file, 3), (file, 4)]
    assert kept[2]["raw_base64"] == "//4="
    assert f"{file}, line 2 is not an event, kept in {tap.rejects}: payload.items[0]" in done.log
    assert "Traceback" not in done.log


def test_a_read_file_is_not_read_again(exports: ExportDirectory, tap: ExportTap) -> None:
    exports.put("1-data-a.export", an_event(10), b"bad")
    tap.run()
    assert "1 export files" in tap.run().log
    assert len(tap.rejected()) == 1


def test_the_reject_file_is_where_the_setting_says(tmp_path: Path, exports: ExportDirectory) -> None:
    tap = ExportTap(tmp_path, exports.path, export_rejects_path=str(tmp_path / "elsewhere.jsonl"))
    tap.rejects = tmp_path / "elsewhere.jsonl"
    exports.put("1-data-a.export", b"bad")
    tap.run()
    assert [row["raw"] for row in tap.rejected()] == ["bad"]


def test_an_unwritable_reject_file_does_not_stop_the_run(tmp_path: Path, exports: ExportDirectory) -> None:
    tap = ExportTap(tmp_path, exports.path, export_rejects_path=str(tmp_path / "missing" / "rejects.jsonl"))
    exports.put("1-data-a.export", b"bad", an_event(10))
    done = tap.run()
    assert timestamps(done) == [10]
    assert "export_rejects_path: cannot write" in done.log


def test_a_late_upload_that_sorts_first_is_picked_up_once(exports: ExportDirectory, tap: ExportTap) -> None:
    exports.put("1700000300000-data-b.export", an_event(10), an_event(14))
    assert timestamps(tap.run()) == [10, 14]
    exports.put("1700000000000-data-a.export", an_event(12), an_event(14))
    assert timestamps(tap.run()) == [12]
    assert tap.state["bookmarks"][STREAM]["replication_key_value"] == 14
    assert timestamps(tap.run()) == []


@pytest.mark.fault("F19")
def test_a_file_still_being_written_is_read_again_when_it_has_grown(exports: ExportDirectory, tap: ExportTap) -> None:
    whole = an_export(an_event(10), an_event(11))
    file = exports.put("1-data-a.export")
    file.write_bytes(whole[:-20])
    assert timestamps(tap.run()) == [10]
    (row,) = tap.rejected()
    assert row["line"] == 2
    assert row["reason"].endswith("no newline follows, it is read again when the file changes")
    file.write_bytes(whole)
    assert timestamps(tap.run()) == [11]


def test_a_last_line_needs_no_newline(exports: ExportDirectory, tap: ExportTap) -> None:
    exports.put("1-data-a.export").write_bytes(an_export(an_event(10), an_event(11))[:-1])
    assert timestamps(tap.run()) == [10, 11]
    assert tap.rejected() == []


@pytest.mark.fault("F19")
def test_a_truncated_gzip_yields_what_it_has_until_it_is_whole(exports: ExportDirectory, tap: ExportTap) -> None:
    noise = [an_event(at, request=f"fr-{at * 7919 % 10007}") for at in range(10, 3_010)]
    whole = an_export(*noise, packed=True)
    file = exports.put("1-data-a.export")
    file.write_bytes(whole[: len(whole) // 2])
    before = timestamps(tap.run())
    assert 0 < len(before) < 3_000
    assert tap.rejected()[-1]["reason"].startswith("gzip: ")
    file.write_bytes(whole)
    assert before + timestamps(tap.run()) == list(range(10, 3_010))


@pytest.mark.fault("F19")
def test_of_a_truncated_gzip_every_whole_line_is_taken_and_the_half_one_is_a_hole(
    exports: ExportDirectory, tap: ExportTap
) -> None:
    noise = [an_event(at, request=f"fr-{at * 7919 % 10007}") for at in range(10, 1_010)]
    whole = an_export(*noise, packed=True)
    for cut in range(len(whole) // 2, len(whole)):
        *lines, half = zlib.decompressobj(31).decompress(whole[:cut]).split(b"\n")
        if b'"items"' in half:
            break
    exports.put("1-data-a.export").write_bytes(whole[:cut])
    exports.put("2-data-b.export", an_event(1_011))
    assert timestamps(tap.run()) == [*range(10, 10 + len(lines)), 1_011]
    assert holes(tap) == [[10 + len(lines), 10 + len(lines)]]


def test_what_stands_behind_a_gzip_takes_no_line_of_it_away(exports: ExportDirectory, tap: ExportTap) -> None:
    exports.put("1-data-a.export").write_bytes(an_export(an_event(10), an_event(11), packed=True) + b"garbage")
    assert timestamps(tap.run()) == [10, 11]


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_refused_line_is_a_hole_until_its_file_has_been_read_again(
    exports: ExportDirectory, tap: ExportTap, *, is_gone: bool
) -> None:
    file = exports.put("1-data-a.export", an_event(10), an_event(11, items=5), an_event(12))
    tap.run()
    assert holes(tap) == [[11, 11]]
    file.unlink()
    if is_gone:
        # Listed, with another date, and gone when it is opened.
        file.symlink_to("nowhere")
    else:
        exports.put("1-data-a.export", an_event(10), an_event(11), an_event(12))
    tap.run()
    assert holes(tap) == ([[11, 11]] if is_gone else [])


def test_a_line_over_the_limit_is_a_hole_at_a_timestamp_far_from_its_beginning(
    exports: ExportDirectory, tap: ExportTap
) -> None:
    line = json.dumps(an_event(11, more="x" * 11 * 2**20)).replace('"payload"', f'"more": "{"x" * 5_000}", "payload"')
    exports.put("1-data-a.export", an_event(10), line.encode(), an_event(12))
    assert timestamps(tap.run()) == [10, 12]
    assert holes(tap) == [[11, 11]]
    assert len(tap.rejected()[0]["raw"]) == 1_000


def test_a_line_over_the_limit_is_rejected_and_its_beginning_kept(exports: ExportDirectory, tap: ExportTap) -> None:
    bomb = b'{"name": "' + b"x" * (200 * 2**20)
    exports.put("1-data-a.export", an_event(10), bomb, an_event(11), packed=True)
    assert timestamps(tap.run()) == [10, 11]
    (row,) = tap.rejected()
    assert row["line"] == 2
    assert "longer than 10485760 bytes" in row["reason"]
    assert len(row["raw"]) == 1_000


def test_the_bookmark_does_not_grow_with_the_files(exports: ExportDirectory, tap: ExportTap) -> None:
    sizes = []
    for round_ in range(3):
        for number in range(100):
            at = 100 + round_ * 100 + number
            exports.put(f"{at}-data-a.export", an_event(at))
        tap.run()
        sizes.append(len(json.dumps(tap.state)))
    assert sizes[0] == sizes[1] == sizes[2]


def test_deleted_files_are_forgotten_but_not_their_events(exports: ExportDirectory, tap: ExportTap) -> None:
    file = exports.put("1-data-a.export", an_event(10))
    tap.run()
    file.unlink()
    assert timestamps(tap.run()) == []
    tap.state = {}
    assert timestamps(tap.run()) == [10]


def test_equal_files_in_two_prefixes_are_two_files(tmp_path: Path) -> None:
    taps = []
    for name, at in (("here", 10), ("there", 11)):
        exports = ExportDirectory(tmp_path / name)
        exports.put("1-data-a.export", an_event(at), written_at=1_700_000_000)
        taps.append(ExportTap(tmp_path, exports.path))
    assert timestamps(taps[0].run()) == [10]
    assert timestamps(taps[1].run()) == [10, 11]
    assert "1 export files" in (again := taps[0].run()).log
    assert "0 read, 0 new events" in again.log


def test_an_event_waits_its_settle_time_plus_the_time_a_file_is_open(tmp_path: Path, exports: ExportDirectory) -> None:
    """Ages are measured between files: 900 s as promised, 300 s in a file, 300 s for an upload."""
    tap = ExportTap(tmp_path, exports.path, settle_seconds=900)
    now = int(time.time())
    exports.put("4-data-d.export", an_event(14), written_at=now - 7000)
    exports.put("3-data-c.export", an_event(13), written_at=now - 7000 - 1490)
    exports.put("2-data-b.export", an_event(12), written_at=now - 7000 - 1510)
    exports.put("1-data-a.export", an_event(11), written_at=now - 7000 - 9000)
    assert timestamps(tap.run()) == [11, 12]


@pytest.mark.fault("F18")
def test_a_file_from_the_future_does_not_age_events(tmp_path: Path, exports: ExportDirectory) -> None:
    tap = ExportTap(tmp_path, exports.path, settle_seconds=900)
    now = int(time.time())
    exports.put("2-data-b.export", an_event(12), written_at=now + 10**6)
    exports.put("1-data-a.export", an_event(11), written_at=now - 60)
    assert timestamps(tap.run()) == []


def test_without_a_landing_url_the_events_are_kept_in_a_store_of_their_own(
    tmp_path: Path, exports: ExportDirectory
) -> None:
    tap = ExportTap(tmp_path, exports.path, {"XDG_STATE_HOME": str(tmp_path / "state")})
    del tap.settings["landing_url"]
    exports.put("1-data-a.export", an_event(10))
    done = tap.run()
    assert timestamps(done) == [10]
    (store,) = (tmp_path / "state" / "tap-newstore-fulfillment").glob("export-files-*.db")
    assert f"kept in {store}" in done.log
    assert timestamps(tap.run()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "export_files"}, "'export_files_url' is a required property"),
        ({"source": "landing", "export_files_url": "s3://bucket"}, "'landing_url' is a required property"),
        ({"source": "export_files", "export_files_url": "gopher://x"}, "export_files_url: Protocol not known: gopher"),
        (
            {"source": "export_files", "export_files_url": "/", "export_files_start_date": "last week"},
            "export_files_start_date: expected a moment such as 2026-01-01T00:00:00Z, got 'last week'",
        ),
        (
            {"source": "export_files", "export_files_url": "/", "export_files_start_date": "2999-01-01"},
            "export_files_start_date: 2999-01-01 lies ahead",
        ),
    ],
)
def test_bad_settings_end_with_2_and_one_line(tmp_path: Path, settings: dict[str, t.Any], message: str) -> None:
    done = run_plugin("tap-newstore-fulfillment", tmp_path, settings)
    assert done.code == 2
    assert message in done.log
    assert "Traceback" not in done.log


def test_an_interrupted_listing_is_an_error_not_an_empty_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe_file("/breaks-off/demo/1-data-a.export", b"temp")

    def walk(*_arguments: object, **_options: object) -> t.Iterator[t.Any]:
        yield "/breaks-off", {}, {}
        raise FileNotFoundError

    prefix = ExportPrefix("memory://breaks-off")
    assert [file.name for file in prefix.files()] == ["demo/1-data-a.export"]
    monkeypatch.setattr(type(filesystem), "walk", walk)
    with pytest.raises(TapError, match="there is no directory or bucket memory://"):
        list(prefix.files())


def test_a_missing_directory_exits_with_1(tmp_path: Path) -> None:
    done = ExportTap(tmp_path, tmp_path / "missing").try_to_run()
    assert done.code == 1
    assert "export_files_url: there is no directory or bucket" in done.log
    assert done.records == []


def test_holes_of_export_files_are_metrics_without_a_receiver(tmp_path: Path) -> None:
    exports = ExportDirectory(tmp_path / "files")
    exports.put("1-data-a.export", b"bad")
    tap = ExportTap(tmp_path, exports.path)
    tap.run()
    config = tmp_path / "config.json"
    config.write_text(json.dumps(tap.settings), encoding="utf-8")
    words = ("newstore-event-receiver", "--config", str(config), "metrics")
    shown = run_command(*words)
    assert shown.returncode == 0, shown.stderr
    assert 'newstore_set_aside{kind="refused"} 1.0' in shown.stdout
    assert "newstore_answers" not in shown.stdout
    output = tmp_path / "newstore_landing.prom"
    assert run_command(*words, "--output", str(output)).returncode == 0
    assert output.read_text(encoding="utf-8") == shown.stdout
    nowhere = run_command(*words, "--output", str(tmp_path / "no" / "metrics.prom"))
    assert nowhere.returncode == 2
    assert "Correct the path, or the rights of its directory [NSS-101]" in nowhere.stderr
