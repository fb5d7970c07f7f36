"""`verify`, `dry_run`, `max_zeroed_percent`, the report and the summary, as a user sees them."""

from __future__ import annotations

import itertools
import json
import typing as t

import pytest
from target_newstore_stock.records import StockRecord
from target_newstore_stock.stock_file import StockFile, encode_item
from target_newstore_stock.verification import Verdict, Verification

from tests.target.runs import run_target, summary_of
from tests.target.stock_messages import a_cut, a_record, a_state, acknowledged

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.newstore import NewStore


def test_an_import_that_shows_late_is_verified_when_it_shows(newstore: NewStore, tmp_path: Path) -> None:
    newstore.set_stock("DC01", "A", 10)
    newstore.set_faults(atp_seconds=1.0)
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7, "B": 2}), a_state(1), verify="fail")
    assert (done.code, acknowledged(done.messages)) == (0, [1]), done.log
    assert "NewStore does not show the import yet: 2 of 2 keys" in done.log
    assert "2 keys read, all 2 that had to change have, 2 differ" in done.log


def test_demand_below_the_imported_quantity_is_normal(newstore: NewStore, tmp_path: Path) -> None:
    newstore.set_stock("DC01", "A", 10)
    newstore.order("DC01", "A")
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 10}), a_state(1), verify="fail")
    assert done.code == 0
    assert "1 keys read, none had to change and none is above the imported quantity" in done.log


@pytest.mark.parametrize(("verify", "code", "states"), [("fail", 1, []), ("warn", 0, [1])])
def test_atp_that_stays_above_the_imported_quantity_is_an_error(
    newstore: NewStore, tmp_path: Path, verify: str, code: int, states: list[int]
) -> None:
    newstore.set_stock("DC01", "A", 10)
    newstore.set_faults(atp_seconds=600)
    done = run_target(
        newstore, tmp_path, *a_cut(1, {"A": 7}), a_state(1), verify=verify, verify_timeout_seconds=0.3, mode="atp"
    )
    assert (done.code, acknowledged(done.messages)) == (code, states)
    assert "1 of 1 keys above the imported quantity, 0 not shown, 1 as before the import" in done.log
    (row,) = [line for line in done.log.splitlines() if line.split()[:4] == ["DC01", "A", "7", "10"]]
    assert row.split()[4:] == ["as", "before", "the", "import:", "not", "visible", "yet"]
    assert "Traceback" not in done.log


def test_future_inventory_above_the_imported_quantity_contradicts_nothing(newstore: NewStore, tmp_path: Path) -> None:
    newstore.set_stock("DC01", "A", 10)
    newstore.set_stock("DC01", "B", 10)
    newstore.hold_back("DC01", "A", future=20, future_allocations=2)
    cut = a_cut(1, {"A": 7, "B": 7})
    done = run_target(newstore, tmp_path, *cut, a_state(1), verify="fail", verify_timeout_seconds=600)
    assert (done.code, acknowledged(done.messages)) == (0, [1]), done.log
    assert "all 2 that had to change have, 2 differ, 1 above by future inventory" in done.log


@pytest.mark.parametrize(("nodes", "code"), [([], 1), (["DC02"], 1), (["DC01"], 0)])
def test_future_inventory_nobody_has_bought_of_must_be_said(
    newstore: NewStore, tmp_path: Path, nodes: list[str], code: int
) -> None:
    newstore.set_stock("DC01", "A", 10)
    newstore.hold_back("DC01", "A", future=20)
    settings = {"verify": "fail", "verify_timeout_seconds": 0.3, "future_inventory_nodes": nodes}
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), a_state(1), **settings)
    assert done.code == code, done.log
    said = "1 of 1 keys above the imported quantity" if code else "1 above by future inventory"
    assert said in done.log


def test_a_store_has_no_future_inventory(newstore: NewStore, tmp_path: Path) -> None:
    newstore.add_location("NYC1", "store")
    newstore.set_stock("NYC1", "A", 10)
    newstore.set_faults(atp_seconds=600)
    cut = a_cut(1, {"A": 7}, node="NYC1")
    done = run_target(newstore, tmp_path, *cut, a_state(1), verify="fail", verify_timeout_seconds=0.3)
    assert (done.code, newstore.insights()["calls"]) == (1, 0)


def reading_back(future: set[str], *, products: int, timeout_seconds: float = 10) -> tuple[Verdict, list[int]]:
    """Read back an import above whose numbers NewStore stays; return the verdict, and how many keys each look asked."""
    file = StockFile()
    for number in range(products):
        record = StockRecord("DC01", f"P{number:04}", 7)
        file.add(record, encode_item(record))
    asked: list[int] = []

    def find_future(keys: t.Iterable[t.Any]) -> set[t.Any]:
        some = set(keys)
        asked.append(len(some))
        return {key for key in some if key[1] in future}

    now = itertools.count()
    verification = Verification(
        lambda keys: dict.fromkeys(keys, 10),
        find_future,
        sample=0,
        timeout_seconds=timeout_seconds,
        poll_seconds=1,
        sleep=lambda _: None,
        clock=lambda: float(next(now)),
    )
    verdict = verification.after(verification.before(file))
    file.close()
    return verdict, asked


def test_any_number_of_keys_may_have_future_inventory() -> None:
    verdict, asked = reading_back({f"P{number:04}" for number in range(1_200)}, products=1_200)
    assert (verdict.is_good, verdict.future, asked) == (True, 1_200, [500, 500, 200])


@pytest.mark.parametrize("timeout_seconds", [0, 2])
def test_no_more_is_asked_of_newstore_once_a_key_contradicts_an_import(timeout_seconds: float) -> None:
    future = {f"P{number:04}" for number in range(1_200)} - {"P0007"}
    verdict, asked = reading_back(future, products=1_200, timeout_seconds=timeout_seconds)
    assert not verdict.is_good
    assert ("DC01", "P0007") in {key for key, *_ in verdict.above}
    assert asked[0] == 500
    assert sum(asked) <= 500 * (timeout_seconds + 1)
    assert f", {1_200 - sum(asked)} of them not asked for future inventory" in str(verdict) or sum(asked) == 1_200


@pytest.mark.parametrize(("sample", "read"), [(3, 3), (0, 10), (100, 10)])
def test_a_sample_is_spread_over_the_file(sample: int, read: int) -> None:
    file = StockFile()
    for number in range(10):
        record = StockRecord("DC01", f"P{number}", number)
        file.add(record, encode_item(record))
    asked: list[t.Any] = []

    def answer(keys: t.Iterable[t.Any]) -> dict[t.Any, int]:
        asked.extend(keys)
        return {}

    verification = Verification(answer, lambda _: set(), sample=sample, timeout_seconds=1, poll_seconds=1)
    assert len(verification.before(file)) == len(asked) == read
    assert asked[0][1] == "P0"
    file.close()


def test_a_dry_run_calls_nobody_and_says_what_would_change(newstore: NewStore, tmp_path: Path) -> None:
    for product in "ABC":
        newstore.set_stock("DC01", product, 10)
    run_target(newstore, tmp_path, *a_cut(1, {"A": 10, "B": 10, "C": 10}), a_state(1))
    done = run_target(
        newstore,
        tmp_path,
        *a_cut(2, {"A": 0, "B": 10, "C": 12, "D": 1}, (10, 12)),
        a_state(2),
        dry_run=True,
        api_url="http://127.0.0.1:9",
        auth_url="http://127.0.0.1:9/token",
    )
    assert (done.code, done.output) == (0, ""), done.log
    assert "would set 4 keys: 2 change, 1 were never sent or are no longer known, 1 fall to zero" in done.log
    rows = [line.split() for line in done.log.splitlines() if line.split()[:1] == ["DC01"]]
    assert rows == [["DC01", "A", "10", "0"], ["DC01", "C", "10", "12"], ["DC01", "A", "10", "0"]]
    assert len(newstore.imports()) == 1
    assert [("dry-run" in path.name) for path in sorted(newstore.staging.iterdir())] == [False, True]
    assert newstore.on_hand("DC01", "A") == 10


def test_a_dry_run_does_not_count_as_an_earlier_import(newstore: NewStore, tmp_path: Path) -> None:
    for _ in range(2):
        done = run_target(newstore, tmp_path, *a_cut(1, {"A": 1}), dry_run=True)
        assert "0 change, 1 were never sent or are no longer known" in done.log
        assert "locations are not read; assumed to be stores: DC01" in done.log


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_cut_that_empties_too_much_is_refused(newstore: NewStore, tmp_path: Path, dry_run: bool) -> None:
    full = {f"P{number}": 5 for number in range(10)}
    assert run_target(newstore, tmp_path, *a_cut(1, full), a_state(1)).code == 0
    emptied = {**full, "P1": 0, "P2": 0, "P3": 0}
    done = run_target(newstore, tmp_path, *a_cut(2, emptied), a_state(2), max_zeroed_percent=20, dry_run=dry_run)
    assert (done.code, done.output) == (1, "")
    assert "3 of 10 keys would fall to zero, more than max_zeroed_percent (20) allows" in done.log
    assert newstore.on_hand("DC01", "P1") == 5
    allowed = run_target(newstore, tmp_path, *a_cut(2, emptied), a_state(2), max_zeroed_percent=30)
    assert (allowed.code, acknowledged(allowed.messages)) == (0, [2])


def test_keys_that_are_empty_already_are_not_emptied(newstore: NewStore, tmp_path: Path) -> None:
    for product in "AB":
        newstore.set_stock("DC01", product, 0)
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 0, "B": 0, "C": 0}), a_state(1), max_zeroed_percent=0)
    assert (done.code, acknowledged(done.messages)) == (0, [1]), done.log


def test_each_import_is_a_line_of_the_report(newstore: NewStore, tmp_path: Path) -> None:
    path = tmp_path / "reports" / "import_report.jsonl"
    cut = a_cut(1, {"A": 7, "B": 1}, (10, 12))
    run_target(newstore, tmp_path, *cut, a_state(1), report_path=str(path))
    newstore.set_faults(fail_next_import="full moon")
    run_target(newstore, tmp_path, a_record("A", 1), report_path=str(path))
    finished, failed = [json.loads(line) for line in path.read_text().splitlines()]
    (job, _) = newstore.imports()
    assert (finished["outcome"], finished["cut_id"], finished["items"]) == ("finished", "1", 2)
    assert (finished["logical_timestamp_start"], finished["logical_timestamp_end"]) == (10, 12)
    assert (finished["import_id"], finished["bytes"] > 100) == (job["import_id"], True)
    assert (failed["outcome"], failed["cut_id"]) == ("failed", None)
    assert "full moon" in failed["error"]


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_the_target_does_not_let_out_is_refused_in_the_report(
    newstore: NewStore, tmp_path: Path, dry_run: bool
) -> None:
    path = tmp_path / "import_report.jsonl"
    assert run_target(newstore, tmp_path, *a_cut(1, {"A": 5}), a_state(1)).code == 0
    how = {"report_path": str(path), "dry_run": dry_run}
    assert run_target(newstore, tmp_path, *a_cut(2, {"A": 0}), max_zeroed_percent=20, **how).code == 1
    shut = {"staging_url": "/proc/nowhere"}
    assert run_target(newstore, tmp_path, *a_cut(3, {"A": 7}), **how, **shut).code == 1
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["outcome"], row["cut_id"]) for row in rows] == [("refused", "2"), ("failed", "3")]


def test_a_report_that_cannot_be_written_stops_the_run_before_it_imports(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), report_path=str(tmp_path))
    assert done.code == 2
    assert "report_path: cannot write" in done.log
    assert newstore.imports() == []


def test_a_run_ends_with_one_line_for_machines(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7, "B": 1}), a_state(1), a_record("C", 1))
    said = summary_of(done)
    assert (said["plugin"], said["imports"], said["items"]) == ("target-newstore-stock", 2, 3)
    assert (said["exit_code"], said["outcome"], said["reason"]) == (0, "imported", "done")
    assert said["bytes"] > 200
    broken = run_target(newstore, tmp_path, *a_cut(1, {"A": 7, "B": 1}, size=3))
    assert (summary_of(broken)["exit_code"], summary_of(broken)["outcome"]) == (1, "failed")
    assert "the input ended inside cut 1" in summary_of(broken)["reason"]
    refused = run_target(newstore, tmp_path, a_record("A", -1))
    assert (summary_of(refused)["exit_code"], summary_of(refused)["imports"]) == (1, 0)


def test_the_sdks_metrics_are_emitted(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7, "B": 1}), a_record("C", 1))
    assert '"metric":"record_count","value":3' in done.log
    assert "(1 schemas, 3 records, 0 batch manifests" in done.log
    assert '"metric":"batch_processing_time"' in done.log


def test_the_errors_of_a_failed_job_are_a_table(newstore: NewStore, tmp_path: Path) -> None:
    newstore.set_faults(fail_next_import="bad file", next_import_errors=[f"item {number}: no" for number in range(60)])
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), a_state(1))
    assert (done.code, done.output) == (1, "")
    lines = [line.split() for line in done.log.splitlines()]
    assert ["entity_type", "entity_id", "reason"] in lines
    assert ["availability", "item", "49:", "no"] in lines
    assert ["and", "10", "more"] in lines
    assert "\x1b" not in done.log


def test_unknown_nodes_are_created_only_when_asked_for(newstore: NewStore, tmp_path: Path) -> None:
    cut = [*a_cut(1, {"A": 7}, node="NEW1"), a_state(1)]
    for asked in (False, True):
        run_target(newstore, tmp_path, *cut, create_locations=asked)
        assert newstore.imports() == []
    assert run_target(newstore, tmp_path, *cut, create_locations="stores").code == 0
    assert newstore.imports("finished")[0]["head"]["store_mapping"] == [
        {"fulfillment_node_id": "NEW1", "store_id": "NEW1"}
    ]


def test_the_summary_tells_nothing_to_do_from_nothing_that_came(newstore: NewStore, tmp_path: Path) -> None:
    assert summary_of(run_target(newstore, tmp_path))["outcome"] == "no_input"
    assert summary_of(run_target(newstore, tmp_path, a_state(1)))["outcome"] == "nothing_to_do"
    rehearsed = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), a_state(1), dry_run=True)
    assert summary_of(rehearsed)["outcome"] == "rehearsed"
