"""Faults of NewStore, one by one and together: right stock or a clear error, no job left open, and a rerun repairs all.

The table of all cases with their outcome is printed at the end (`pytest -s`, or the report of a failed run).
"""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from fsspec.implementations.local import LocalFileSystem
from target_newstore_stock.target import TargetNewStoreStock

from tests.target.runs import Clock, Ended, run_here
from tests.target.stock_messages import a_cut, a_record, a_schema, a_state

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.shop.newstore import NewStore

IMPORT = "/v0/d/import"
CREATE = {"method": "POST", "path": IMPORT}
LIST = {"method": "GET", "path": IMPORT}
START = {"method": "POST", "path": f"{IMPORT}/*/start"}
LOOK = {"method": "GET", "path": f"{IMPORT}/*"}
LOCATIONS = {"method": "GET", "path": "/v0/locations"}
TOKEN = {"method": "POST", "path": "/auth/*"}
LOST: dict[str, t.Any] = {"status": 502, "body": "<html>", "happens": True}
REFUSED: dict[str, t.Any] = {"status": 503, "body": "<html>"}
EXPIRED: dict[str, t.Any] = {"status": 403, "body": {"message": "the token is expired"}}
LIMITED: dict[str, t.Any] = {"status": 403, "body": "<html>too many calls</html>"}
BUSY: dict[str, t.Any] = {"status": 429, "body": {"message": "busy"}, "headers": {"Retry-After": "7"}}
RESET: dict[str, t.Any] = {"cut_off": True}
LOST_RESET: dict[str, t.Any] = {"cut_off": True, "happens": True}

#: Which cut is first, and how it changes the stock that was there before (10).
MESSAGES = [a_schema(), *a_cut(1, {"A": 7}, (1, 2)), a_state(1), *a_cut(2, {"A": 5, "B": 3}, (3, 4)), a_state(2)]
ALL: list[int] = [1, 2]
NONE: list[int] = []
SHORT = {"import_timeout_seconds": 60, "poll_seconds": 10}


@dataclasses.dataclass(frozen=True)
class Case:
    """What goes wrong, and how the run ends: the cuts acknowledged, and the error ("" for none)."""

    name: str
    faults: dict[str, t.Any]
    acknowledged: list[int]
    error: str = ""
    settings: dict[str, t.Any] = dataclasses.field(default_factory=dict)


def calls(*faults: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"calls": list(faults)}


CASES = [
    Case("nothing", {}, ALL),
    Case("create: answer lost, 502", calls({**CREATE, **LOST}), ALL),
    Case("create: answer reset in mid-body", calls({**CREATE, **LOST_RESET}), ALL),
    Case("create: refused for a while, 503", calls({**CREATE, **REFUSED, "times": 5}), ALL),
    Case("create: answer lost and the list as well", calls({**CREATE, **LOST}, {**LIST, **REFUSED, "times": 3}), ALL),
    Case("create: 429 without a job", calls({**CREATE, **BUSY, "times": 3}), ALL),
    Case("create: 429 with a leftover job", calls({**CREATE, **BUSY, "happens": True}), ALL),
    Case("create: refused for good, 400", calls({**CREATE, "status": 400, "body": {"message": "no"}}), NONE, "no"),
    Case("create: the token has expired", calls({**CREATE, **EXPIRED}), ALL),
    Case("create: forbidden for good, 403", calls({**CREATE, **EXPIRED, "times": 2}), NONE, "the token is expired"),
    Case("create: IP limit, 403 without JSON", calls({**CREATE, **LIMITED}), ALL),
    Case("start: answer lost, 500", calls({**START, **LOST, "status": 500}), ALL),
    Case("start: answer reset in mid-body", calls({**START, **LOST_RESET}), ALL),
    Case("start: refused for a while, 503", calls({**START, **REFUSED, "times": 4}), ALL),
    Case("start: busy, 429", calls({**START, **BUSY, "times": 2}), ALL),
    Case("start: answer lost, and the look after it", calls({**START, **LOST}, {**LOOK, **REFUSED, "times": 7}), ALL),
    Case("start: refused for good, 400", calls({**START, "status": 400, "body": {"message": "no"}}), NONE, "no"),
    Case("start: the token has expired", calls({**START, **EXPIRED}), ALL),
    Case("poll: a long burst of 500", calls({**LOOK, **REFUSED, "status": 500, "times": 30}), ALL),
    Case("poll: resets in mid-body", calls({**LOOK, **RESET, "times": 4}), ALL),
    Case("poll: the token has expired", calls({**LOOK, **EXPIRED}), ALL),
    Case("poll: IP limit for ten minutes", calls({**LOOK, **LIMITED, "times": 3}), ALL),
    Case("locations: 502 and a reset", calls({**LOCATIONS, **REFUSED}, {**LOCATIONS, **RESET}), ALL),
    Case("token: 500, then a reset", calls({**TOKEN, **REFUSED, "status": 500}, {**TOKEN, **RESET}), ALL),
    Case("start: another importer has started it", {"starts_received_jobs": True}, ALL),
    Case("job: fails with item errors", {"fail_next_import": "bad", "next_import_errors": ["x"]}, NONE, "failed: bad"),
    Case("job: finishes with item errors", {"next_import_errors": ["x"]}, NONE, "refused items"),
    Case("job: waits past the time-out", {"hold_jobs": True}, NONE, "had not begun and was failed", SHORT),
    Case("download: slow", {"download_seconds": 0.3}, ALL),
    Case("download: truncated", {"download_bytes": 20}, NONE, "not a zip"),
    # NewStore's half second is real time, the target's is not, so its time-out must be very long.
    Case("ATP: late", {"atp_seconds": 0.5}, ALL, settings={"verify": "fail", "verify_timeout_seconds": 10**6}),
    Case(
        "all at once",
        calls(
            {**TOKEN, **REFUSED},
            {**LOCATIONS, **RESET},
            {**CREATE, **EXPIRED},
            {**CREATE, **BUSY, "happens": True},
            {**START, **LOST_RESET},
            {**LOOK, **LIMITED},
            {**LOOK, **REFUSED, "times": 9},
            {**CREATE, **LOST},
            {**LIST, **REFUSED, "times": 4},
            {**START, **REFUSED, "times": 2},
        ),
        ALL,
    ),
]


#: The catalogue's fault for cases whose name begins so; all others are F13.
FAULTS = {"create: answer": "F10", "create: 429": "F10", "job": "F11", "download": "F20", "all at once": "F22"}


def marked(case: Case) -> t.Any:
    """Return a case, marked with its fault."""
    number = next((number for begin, number in FAULTS.items() if case.name.startswith(begin)), "F13")
    return pytest.param(case, id=case.name, marks=pytest.mark.fault(number) if case.faults else ())


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Collect the outcomes, and print them at the end."""
    rows: list[str] = []
    yield rows
    print("\n" + "\n".join(rows))


@pytest.fixture
def clock(newstore: NewStore) -> Clock:
    return Clock(newstore)


def stock(newstore: NewStore) -> dict[str, t.Any]:
    return {row["product_id"]: row["on_hand"] for row in newstore.truth()["keys"]}


def assert_in_order(newstore: NewStore) -> None:
    """Assert that no applied cut is older than the one before it."""
    applied = [covered[0] for covered in newstore.ranges() if covered]
    assert applied == sorted(applied)


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_a_fault_ends_with_the_right_stock_or_a_clear_error_and_a_rerun_repairs_it(
    newstore: NewStore, clock: Clock, capsys: pytest.CaptureFixture[str], table: list[str], case: Case
) -> None:
    newstore.set_stock("DC01", "A", 10)
    newstore.set_faults(**case.faults)
    ended = run_here(newstore, clock, MESSAGES, capsys, **case.settings)
    table.append(row_of(case, ended, clock, newstore))
    assert ended.acknowledged == case.acknowledged, ended.error
    assert (case.error in ended.error) if case.error else (ended.error == "")
    assert newstore.open_jobs() == []
    if not case.error:
        assert stock(newstore) == {"A": 5, "B": 3}
        # A job whose answer was lost is used, not created again.
        assert [job["state"] for job in newstore.imports()] == ["finished", "finished"]
    assert_in_order(newstore)
    newstore.set_faults(hold_jobs=False, calls=[], download_seconds=0, atp_seconds=0)
    again = run_here(newstore, clock, MESSAGES, capsys)
    assert (again.error, again.acknowledged) == ("", ALL)
    assert stock(newstore) == {"A": 5, "B": 3}
    assert newstore.open_jobs() == []


def row_of(case: Case, ended: Ended, clock: Clock, newstore: NewStore) -> str:
    """Return a line of the table."""
    states = [job["state"] for job in newstore.imports()]
    jobs = f"{states.count('finished')} finished, {states.count('failed')} failed, {len(newstore.open_jobs())} open"
    outcome = f"error: {ended.error[:70]}" if ended.error else f"stock {stock(newstore)}"
    return f"{case.name:45} state {ended.acknowledged!s:7} {clock.now:6.0f} s waited  {jobs:32} {outcome}"


@pytest.mark.fault("F11", "F12")
def test_the_next_run_waits_for_a_job_in_an_unknown_state(
    newstore: NewStore, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    newstore.set_faults(hold_jobs=True, state_word="transforming")
    ended = run_here(newstore, clock, MESSAGES, capsys, **SHORT)
    assert "is still transforming after 60 s; the next run waits for it" in ended.error
    assert (ended.acknowledged, newstore.open_jobs()) == (NONE, ["waiting"])
    # NewStore lists the job under no state we know; only the note beside the file leads to it.
    began = clock.now
    jobs_by_then: list[int] = []

    def release() -> None:
        jobs_by_then.append(len(newstore.imports()))
        newstore.set_faults(hold_jobs=False, state_word=None)

    clock.at(began + 30, release)
    again = run_here(newstore, clock, MESSAGES, capsys, **SHORT)
    assert (again.error, again.acknowledged) == ("", ALL)
    assert jobs_by_then == [1]
    assert [job["state"] for job in newstore.imports()] == ["finished"] * 3
    assert_in_order(newstore)
    assert [path.suffix for path in newstore.staging.iterdir()] == [".zip"] * 3


@pytest.mark.fault("F11", "F12")
@pytest.mark.parametrize("fails", [("cat_file", 1), ("ls", 2)])
def test_a_note_that_cannot_be_read_just_now_stops_the_run(
    newstore: NewStore,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fails: tuple[str, int],
) -> None:
    """The job it leads to would land on what this run imports."""
    newstore.set_faults(hold_jobs=True, state_word="transforming")
    run_here(newstore, clock, MESSAGES, capsys, **SHORT)
    (call, number), count = fails, 0
    done = getattr(LocalFileSystem, call)

    def fails_once(*args: t.Any, **kwargs: t.Any) -> t.Any:
        nonlocal count
        count += 1
        if count == number:
            raise ConnectionError("reset")
        return done(*args, **kwargs)

    with monkeypatch.context() as here:
        here.setattr(LocalFileSystem, call, fails_once)
        ended = run_here(newstore, clock, MESSAGES, capsys, **SHORT)
    assert (len(newstore.imports()), ended.acknowledged) == (1, NONE)
    assert ended.error.startswith("staging_url: cannot ")
    newstore.set_faults(hold_jobs=False, state_word=None)
    assert run_here(newstore, clock, MESSAGES, capsys).acknowledged == ALL
    assert_in_order(newstore)


@pytest.mark.fault("F11", "F12")
def test_a_running_job_past_the_time_out_is_left_and_waited_for(
    newstore: NewStore, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    newstore.set_faults(hold_jobs=True, state_word="running")
    ended = run_here(newstore, clock, MESSAGES, capsys, **SHORT)
    assert "is still running after 60 s; the next run waits for it" in ended.error
    again = run_here(newstore, clock, MESSAGES, capsys, **SHORT)
    assert "an earlier import of ours is still running after 60 s" in again.error
    assert newstore.open_jobs() == ["waiting"]
    newstore.set_faults(hold_jobs=False, state_word=None)
    assert run_here(newstore, clock, MESSAGES, capsys).acknowledged == ALL


@pytest.mark.fault("F8")
def test_f8_a_drain_for_every_record_inside_a_cut_changes_nothing(
    newstore: NewStore, clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each record the SDK's time is up and its sink is full."""
    drains: list[object] = []
    drain_all = TargetNewStoreStock.drain_all

    def counted(target: TargetNewStoreStock, *arguments: t.Any, **options: t.Any) -> None:
        drains.append(target)
        drain_all(target, *arguments, **options)

    monkeypatch.setattr(TargetNewStoreStock, "drain_all", counted)
    monkeypatch.setattr(TargetNewStoreStock, "_MAX_RECORD_AGE_IN_MINUTES", -1.0)
    cuts = [*a_cut(1, {"A": 7, "B": 3}, (1, 2)), a_state(1), *a_cut(2, {"A": 5, "B": 3, "C": 1}, (3, 4)), a_state(2)]
    # The plain record, which may be drained, proves that the SDK does drain.
    ended = run_here(newstore, clock, [a_schema(), *cuts, a_record("D", 1)], capsys, batch_size_rows=1)
    assert (ended.error, ended.acknowledged) == ("", ALL)
    assert [job["size"] for job in newstore.imports()] == [2, 3, 1]
    assert len(drains) > 1
