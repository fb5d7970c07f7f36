"""The target as a process against a NewStore over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import typing as t
import zipfile

import pytest
from target_newstore_stock.target import TargetNewStoreStock

from tests.shop.newstore import NewStore
from tests.shop.plugin import run_plugin
from tests.shop.process import command, environment
from tests.target.runs import run_target
from tests.target.stock_messages import a_cut, a_record, a_schema, a_state, acknowledged

if t.TYPE_CHECKING:
    from pathlib import Path

SECRET = "s3cr3t-of-this-test"


def test_a_complete_cut_is_imported_and_its_state_emitted(newstore: NewStore, tmp_path: Path) -> None:
    newstore.set_stock("DC01", "A", 10)
    done = run_target(newstore, tmp_path, *a_cut(17, {"A": 7, "B": 3}, (10, 12)), a_state(17))
    assert (done.code, acknowledged(done.messages)) == (0, [17])
    assert newstore.on_hand("DC01", "A") == 7
    assert newstore.on_hand("DC01", "B") == 3
    assert newstore.ranges() == [(10, 12)]


def test_the_file_names_only_the_nodes_it_uses(newstore: NewStore, tmp_path: Path) -> None:
    run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), *a_cut(2, {"A": 1}, node="NYC1"))
    mappings = [job["head"]["store_mapping"] for job in newstore.imports("finished")]
    assert mappings == [
        [{"fulfillment_node_id": "DC01", "store_id": ""}],
        [{"fulfillment_node_id": "NYC1", "store_id": "NYC1"}],
    ]


def test_a_run_without_range_declares_none(newstore: NewStore, tmp_path: Path) -> None:
    run_target(newstore, tmp_path, *a_cut(1, {"A": 7}))
    assert newstore.imports()[0]["head"].keys() == {"store_mapping"}


def test_the_job_carries_provider_cut_and_range(newstore: NewStore, tmp_path: Path) -> None:
    run_target(newstore, tmp_path, *a_cut(17, {"A": 7}, (10, 12)), provider="ours")
    (job,) = newstore.imports()
    assert job["provider"] == "ours"
    assert "cut 17 range 10-12" in job["name"]
    assert (job["entities"], job["full"], job["source_uri"]) == (["availabilities"], False, job["transformed_uri"])


def test_the_zip_has_one_member_of_compact_json(newstore: NewStore, tmp_path: Path) -> None:
    run_target(newstore, tmp_path, *a_cut(1, {"A": 7}, (10, 12)))
    (path,) = newstore.staging.iterdir()
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["availabilities.json"]
        assert archive.read("availabilities.json").decode() == (
            '{"head":{"store_mapping":[{"fulfillment_node_id":"DC01","store_id":""}],'
            '"completed_fulfillment_requests":{"logical_timestamp_start":10,"logical_timestamp_end":12}},'
            '"items":[{"fulfillment_node_id":"DC01","product_id":"A","quantity":7}]}'
        )


def test_each_cuts_state_goes_out_when_it_is_imported(newstore: NewStore, tmp_path: Path) -> None:
    messages = [a_schema(), *a_cut(1, {"A": 7}, (1, 1)), a_state(1), *a_cut(2, {"A": 6}, (2, 2)), a_state(2)]
    with started(newstore, tmp_path) as target:
        assert target.stdin is not None
        assert target.stdout is not None
        target.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
        target.stdin.flush()
        lines = [target.stdout.readline() for _ in range(2)]
        assert acknowledged([json.loads(line) for line in lines]) == [1, 2]
    assert newstore.ranges() == [(1, 1), (2, 2)]


@pytest.mark.fault("F7")
def test_an_input_that_ends_inside_a_cut_imports_nothing_of_it(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(
        newstore, tmp_path, *a_cut(1, {"A": 7}), a_state(1), *a_cut(2, {"A": 6, "B": 1}, size=3), a_state(2)
    )
    assert (done.code, acknowledged(done.messages)) == (1, [1])
    assert "the input ended inside cut 2, after 2 of 3 records" in done.log
    assert "Traceback" not in done.log
    assert newstore.on_hand("DC01", "A") == 7
    assert len(newstore.imports()) == 1


def test_a_state_inside_a_cut_waits_for_the_cut(newstore: NewStore, tmp_path: Path) -> None:
    first, last = a_cut(2, {"A": 6, "B": 1})
    done = run_target(newstore, tmp_path, first, a_state(2), last)
    assert (done.code, acknowledged(done.messages)) == (0, [2])
    broken = run_target(newstore, tmp_path, a_cut(3, {"A": 5, "B": 1})[0], a_state(3))
    assert (broken.code, broken.output) == (1, "")


@pytest.mark.fault("F7")
def test_a_signal_inside_a_cut_imports_nothing_and_emits_nothing(newstore: NewStore, tmp_path: Path) -> None:
    with started(newstore, tmp_path) as target:
        assert target.stdin is not None
        assert target.stdout is not None
        for message in [a_schema(), *a_cut(1, {"A": 7}), a_state(1), *a_cut(2, {"A": 6}, size=2)]:
            target.stdin.write(json.dumps(message) + "\n")
        target.stdin.flush()
        assert acknowledged([json.loads(target.stdout.readline())]) == [1]
        os.kill(target.pid, signal.SIGTERM)
        assert target.stdout.read() == ""
        assert target.wait(30) == 128 + signal.SIGTERM
    assert newstore.on_hand("DC01", "A") == 7


@pytest.mark.fault("F7")
def test_a_signal_that_came_while_python_drops_exceptions_comes_again(
    newstore: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = TargetNewStoreStock(config=newstore.target_settings)
    monkeypatch.setattr(target, "seconds_to_end", 0.05)
    before = signal.getsignal(signal.SIGALRM)
    try:
        with pytest.raises(SystemExit):
            target._handle_termination(signal.SIGTERM, None)
        with pytest.raises(SystemExit) as again:
            signal.pause()
        assert again.value.code == 128 + signal.SIGTERM
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.fault("F8")
def test_a_cut_larger_than_the_sdks_batch_is_one_import(newstore: NewStore, tmp_path: Path) -> None:
    quantities = {f"P{number:05}": number for number in range(10_050)}
    done = run_target(newstore, tmp_path, *a_cut(1, quantities, (10, 12)), a_state(1), batch_size_rows=1000)
    assert (done.code, acknowledged(done.messages)) == (0, [1])
    assert [job["size"] for job in newstore.imports()] == [10_050]


def test_plain_records_are_imported_without_a_range(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(newstore, tmp_path, a_record("A", 5), a_record("B", 6), a_state(1))
    assert (done.code, acknowledged(done.messages)) == (0, [1])
    assert newstore.ranges() == [None]
    assert (newstore.on_hand("DC01", "A"), newstore.on_hand("DC01", "B")) == (5, 6)


def test_quantities_may_be_what_is_still_available(newstore: NewStore, tmp_path: Path) -> None:
    run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), mode="atp")
    assert newstore.imports()[0]["head"]["mode"] == "atp"


def test_a_configured_node_is_created(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}, node="DC99"), store_mapping={"DC99": ""})
    assert done.code == 0
    assert newstore.on_hand("DC99", "A") == 7


def test_a_store_mapping_that_contradicts_newstore_is_refused(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}, node="NYC1"), store_mapping={"NYC1": ""})
    assert done.code == 1
    assert "store_mapping: NYC1 has store id ''" in done.log
    assert newstore.imports() == []


def test_a_store_mastered_by_newstore_is_refused(newstore: NewStore, tmp_path: Path) -> None:
    newstore.add_location("LON1", "store", is_inventory_master=True)
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}, node="LON1"), store_mapping={"LON1": "LON1"})
    assert done.code == 1
    assert "inventory master of these stores" in done.log
    assert newstore.imports() == []


@pytest.mark.fault("F11")
@pytest.mark.adapter_mistake("never read a job's result")
def test_a_failed_job_shows_reason_and_errors_and_emits_no_state(newstore: NewStore, tmp_path: Path) -> None:
    newstore.set_faults(fail_next_import="the moon is full")
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), a_state(1))
    assert (done.code, done.output) == (1, "")
    assert "failed: the moon is full" in done.log
    assert "Traceback" not in done.log


def test_the_errors_of_a_failed_job_are_shown(newstore: NewStore, tmp_path: Path) -> None:
    newstore.set_faults(fail_next_import="bad file", next_import_errors=["item 3: no", "item 4: no"])
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), a_state(1))
    assert (done.code, done.output) == (1, "")
    assert "failed: bad file (availability: item 3: no; availability: item 4: no)" in done.log


@pytest.mark.fault("F11")
@pytest.mark.adapter_mistake("skipped the bad part but declared the whole range")
@pytest.mark.adapter_mistake("treated status 200 as success when every row had failed")
def test_a_finished_job_that_refused_items_is_no_success(newstore: NewStore, tmp_path: Path) -> None:
    newstore.set_faults(next_import_errors=["item 3: no"])
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), a_state(1))
    assert (done.code, done.output) == (1, "")
    assert "finished, but NewStore refused items: availability: item 3: no" in done.log


def test_a_wrong_secret_is_one_line_with_newstores_own_message(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), a_state(1), client_secret=SECRET)
    assert (done.code, done.output) == (1, "")
    assert "Invalid client or Invalid client credentials" in done.log
    assert "Traceback" not in done.log
    assert SECRET not in done.log


def test_a_verbose_log_has_no_secret_and_no_token(newstore: NewStore, tmp_path: Path) -> None:
    done = run_plugin(
        "target-newstore-stock",
        tmp_path,
        newstore.target_settings,
        messages=[a_schema(), *a_cut(1, {"A": 7})],
        TARGET_NEWSTORE_STOCK_LOGLEVEL="DEBUG",
    )
    assert done.code == 0
    assert newstore.target_settings["client_secret"] not in done.log
    assert "Bearer" not in done.log


def test_an_unreachable_newstore_is_one_line(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), auth_url="http://127.0.0.1:9/token")
    assert done.code == 1
    assert "no token from http://127.0.0.1:9/token: ConnectionError" in done.log
    assert "Traceback" not in done.log


@pytest.mark.fault("F13")
def test_a_token_that_ends_while_a_job_is_polled_is_renewed(tmp_path: Path) -> None:
    with NewStore(tmp_path, token_seconds=1, import_seconds=2.5) as newstore:
        newstore.add_location("DC01")
        done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), a_state(1))
        assert (done.code, acknowledged(done.messages)) == (0, [1])


def test_an_echoed_state_before_anything_else_goes_out_at_once(newstore: NewStore, tmp_path: Path) -> None:
    done = run_plugin("target-newstore-stock", tmp_path, newstore.target_settings, messages=[a_state(3)])
    assert (done.code, acknowledged(done.messages)) == (0, [3])


def test_without_input_nothing_is_called(tmp_path: Path) -> None:
    settings = {"tenant": "x", "client_id": "x", "client_secret": "x", "staging_url": "s3://bucket/stock"}
    done = run_plugin("target-newstore-stock", tmp_path, settings)
    assert (done.code, done.output) == (0, "")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tenant": None}, "'tenant' is a required property"),
        ({"client_secret": None}, "'client_secret' is a required property"),
        ({"staging_url": None}, "'staging_url' is a required property"),
        ({"staging": "/tmp"}, "'staging' was unexpected"),
        ({"mode": "full"}, "'full' is not one of"),
        ({"poll_seconds": 0}, "0 is less than or equal to the minimum of 0"),
    ],
)
def test_bad_settings_end_with_2_and_one_line(tmp_path: Path, changes: dict[str, t.Any], said: str) -> None:
    good = {"tenant": "x", "client_id": "x", "client_secret": SECRET, "staging_url": "s3://bucket/stock"}
    settings = {name: value for name, value in {**good, **changes}.items() if value is not None}
    done = run_plugin("target-newstore-stock", tmp_path, settings)
    assert done.code == 2
    assert said in done.log
    assert "Traceback" not in done.log
    assert SECRET not in done.log


def test_a_record_against_its_schema_is_one_line(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(newstore, tmp_path, a_record("A", "many"))
    assert (done.code, done.output) == (1, "")
    assert "'many' is not of type 'integer'" in done.log
    assert "Traceback" not in done.log


@pytest.mark.parametrize("line", ['{"type": "REC', "[]", '{"type": "NEWS"}', "{}", '{"type": "RECORD"}'])
def test_a_broken_line_ends_with_1_and_one_line(newstore: NewStore, tmp_path: Path, line: str) -> None:
    done = run_plugin("target-newstore-stock", tmp_path, newstore.target_settings, messages=line + "\n")
    assert (done.code, done.output) == (1, "")
    assert "line" in done.log.lower()
    assert "Traceback" not in done.log


def started(newstore: NewStore, directory: Path) -> subprocess.Popen[str]:
    config = directory / "config.json"
    config.write_text(json.dumps(newstore.target_settings), encoding="utf-8")
    return subprocess.Popen(
        [command("target-newstore-stock"), "--config", str(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        text=True,
    )


def test_two_imports_of_one_run_keep_their_distance(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), *a_cut(2, {"A": 6}), import_interval_seconds=1.5)
    assert done.code == 0
    assert "Waiting 1 s before the next import" in done.log or "Waiting 2 s before the next import" in done.log


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("broken.json", "broken.json: not JSON: Expecting property name"),
        ("deep.json", "deep.json: not JSON: nested too deeply"),
        ("nowhere.json", "nowhere.json' was not found"),
        ("ENV", "could not convert string to float: 'soon'"),
    ],
)
def test_configuration_that_cannot_be_read_ends_with_2_and_one_line(tmp_path: Path, config: str, said: str) -> None:
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    (tmp_path / "deep.json").write_text("[" * 200_000, encoding="utf-8")
    path = config if config == "ENV" else str(tmp_path / config)
    done = run_plugin(
        "target-newstore-stock", tmp_path, None, "--config", path, TARGET_NEWSTORE_STOCK_POLL_SECONDS="soon"
    )
    assert done.code == 2, done.log
    assert config in ("broken.json", "deep.json") or "cannot be read" in done.log
    assert said in done.log
    assert "Traceback" not in done.log
