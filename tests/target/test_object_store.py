"""Staging over the real S3 protocol; NewStore fetches over HTTP."""

from __future__ import annotations

import datetime as dt
import re
import typing as t

import pytest
from target_newstore_stock.records import CutHead
from target_newstore_stock.staged_names import NOTE, ZIP, OwnNames, StagedName
from target_newstore_stock.staging import Staging

from tests.shop.plugin import Finished, run_plugin
from tests.target.stock_messages import a_cut, a_record, a_schema, a_state, acknowledged

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.newstore import NewStore
    from tests.shop.object_store import ObjectStore

NOW = dt.datetime(2026, 3, 4, 9, 15, 2, tzinfo=dt.UTC)
OWN = OwnNames("newstore-stock-sync", "demo")


def named(days_old: float, cut: str = "17", own: OwnNames = OWN) -> str:
    name = StagedName(NOW - dt.timedelta(days=days_old), CutHead(cut, 1, (10, 12)), "0123456789ab")
    return name.file(own.owner)


def run_on_s3(
    newstore: NewStore,
    store: ObjectStore,
    directory: Path,
    *messages: t.Any,
    variables: t.Mapping[str, str] | None = None,
    **settings: t.Any,
) -> Finished:
    place = {"staging_url": f"s3://{store.bucket}/stock/in", "staging_link": "presigned"}
    return run_plugin(
        "target-newstore-stock",
        directory,
        {**newstore.target_settings, **place, **settings},
        messages=[a_schema(), *messages],
        **store.variables,
        **(variables or {}),
    )


def test_no_signature_is_shown_however_much_is_said(
    newstore: NewStore, object_store: ObjectStore, tmp_path: Path
) -> None:
    debug = {"LOGLEVEL": "debug"}
    done = run_on_s3(newstore, object_store, tmp_path, *a_cut(17, {"A": 7}), a_state(17), variables=debug)
    assert (done.code, acknowledged(done.messages)) == (0, [17]), done.log
    assert "DEBUG" in done.log
    said = [line for line in done.log.splitlines() if "werkzeug" not in line]
    assert [line for line in said if "Signature=" in line or "StringToSign" in line] == []


@pytest.mark.adapter_mistake("gave links that expire before they are fetched")
def test_newstore_fetches_a_presigned_link_that_lives_for_days(
    newstore: NewStore, object_store: ObjectStore, tmp_path: Path
) -> None:
    done = run_on_s3(newstore, object_store, tmp_path, *a_cut(17, {"A": 7}, (10, 12)), a_state(17))
    assert (done.code, acknowledged(done.messages)) == (0, [17]), done.log
    assert newstore.on_hand("DC01", "A") == 7
    (job,) = newstore.imports("finished")
    assert "X-Amz-Expires=604800" in job["transformed_uri"]
    assert "X-Amz-Algorithm=AWS4" in job["transformed_uri"]
    (key,) = object_store.keys()
    pattern = r"stock/in/newstore-stock-sync-demo-\d{8}T\d{6}\.\d{6}Z-cut-17-range-10-12-[0-9a-f]{12}\.zip"
    assert re.fullmatch(pattern, key)


def test_no_signature_is_logged(newstore: NewStore, object_store: ObjectStore, tmp_path: Path) -> None:
    newstore.set_faults(fail_next_import="no")
    done = run_on_s3(newstore, object_store, tmp_path, *a_cut(17, {"A": 7}), a_state(17))
    assert done.code == 1
    assert "Signature" not in done.log
    assert object_store.variables["AWS_SECRET_ACCESS_KEY"] not in done.log


@pytest.mark.fault("F20")
def test_a_link_whose_object_is_gone_fails_the_job_and_the_next_run_makes_a_new_one(
    newstore: NewStore, object_store: ObjectStore, tmp_path: Path
) -> None:
    newstore.set_faults(hold_jobs=True)
    cut = [*a_cut(17, {"A": 7}, (10, 12)), a_state(17)]
    assert run_on_s3(newstore, object_store, tmp_path, *cut, import_timeout_seconds=0.5).code == 1
    staged = object_store.keys()
    for key in staged:
        object_store.client.delete_object(Bucket=object_store.bucket, Key=key)
    newstore.set_faults(hold_jobs=False)
    done = run_on_s3(newstore, object_store, tmp_path, *cut)
    assert (done.code, acknowledged(done.messages)) == (0, [17]), done.log
    assert newstore.on_hand("DC01", "A") == 7


def test_a_bucket_that_is_not_there_is_one_line(newstore: NewStore, object_store: ObjectStore, tmp_path: Path) -> None:
    done = run_on_s3(newstore, object_store, tmp_path, *a_cut(1, {"A": 7}), staging_url="s3://no-such-bucket-here/x")
    assert (done.code, done.output) == (1, "")
    assert "staging_url: cannot write no-such-bucket-here/x/" in done.log
    assert "Traceback" not in done.log
    assert newstore.imports() == []


def test_old_files_of_ours_are_removed_from_s3_and_nothing_else(
    newstore: NewStore, object_store: ObjectStore, tmp_path: Path
) -> None:
    theirs = named(99, own=OwnNames("newstore-stock-sync", "other")) + ZIP
    kept = [theirs, "stock.zip", named(-9999) + ZIP, "newstore-stock-sync-demo-notes.txt"]
    for name in [*kept, named(30) + ZIP, named(30) + NOTE]:
        object_store.put(f"stock/in/{name}", b"x")
    done = run_on_s3(newstore, object_store, tmp_path, *a_cut(17, {"A": 7}), a_state(17))
    assert done.code == 0, done.log
    keys = object_store.keys()
    left = [key.removeprefix("stock/in/") for key in keys]
    assert sorted(name for name in left if "no-range" not in name) == sorted(kept)
    assert len(left) == len(kept) + 1


@pytest.mark.adapter_mistake("deleted its input before the import had ended")
@pytest.mark.parametrize("keep", [0, 14])
def test_a_file_of_an_open_job_stays_however_old(newstore: NewStore, tmp_path: Path, keep: int) -> None:
    old = [named(30, cut="1") + ZIP, named(30, cut="2") + ZIP]
    for name in old:
        (newstore.staging / name).write_bytes(b"x")
    body = {"provider": "theirs", "name": "x", "revision": 1, "entities": ["availabilities"], "full": False}
    newstore.call("POST", "/v0/d/import", body={**body, "source_uri": f"https://files.example/{old[0]}?X-Amz=1"})
    done = run_plugin(
        "target-newstore-stock",
        tmp_path,
        {**newstore.target_settings, "staging_keep_days": keep},
        messages=[a_schema(), a_record("A", 1)],
    )
    assert done.code == 0, done.log
    assert [(newstore.staging / name).exists() for name in old] == [True, keep == 0]


@pytest.mark.parametrize("keep", [999_999, 1e300])
def test_a_number_of_days_beyond_the_calendar_keeps_all_files(newstore: NewStore, tmp_path: Path, keep: float) -> None:
    old = named(3000, cut="1") + ZIP
    (newstore.staging / old).write_bytes(b"x")
    done = run_plugin(
        "target-newstore-stock",
        tmp_path,
        {**newstore.target_settings, "staging_keep_days": keep},
        messages=[a_schema(), *a_cut(17, {"A": 1}), a_state(17)],
    )
    assert (done.code, acknowledged(done.messages)) == (0, [17]), done.log
    assert (newstore.staging / old).exists()


def test_a_note_of_a_job_is_found_again_and_only_ours(tmp_path: Path) -> None:
    staging = Staging(str(tmp_path), "uri")
    staging.remember(named(1), "job-1")
    staging.remember(named(1, own=OwnNames("other", "demo")), "job-2")
    assert staging.remembered(OWN) == {named(1) + NOTE: "job-1"}
    staging.forget(named(1))
    assert staging.remembered(OWN) == {}


def test_names_sort_by_time_and_are_safe_whatever_the_cut_is_called() -> None:
    names = [named(days, cut="../a b?\u00e9") for days in (3, 2, 1)]
    assert names == sorted(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)
    assert OWN.written_at(names[0] + ZIP) == NOW - dt.timedelta(days=3)
    assert OWN.written_at("newstore-stock-sync-demo-x.zip") is None
