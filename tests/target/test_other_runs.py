"""Two runs that do not see each other's lock: the older one gives way (design rule 9)."""

from __future__ import annotations

import datetime as dt
import tempfile
import typing as t
from unittest import mock

import pytest
from fsspec.implementations.local import LocalFileSystem
from target_newstore_stock.http_session import HttpSession
from target_newstore_stock.other_runs import OtherRuns

from tests.target.runs import Clock, Ended, run_here
from tests.target.stock_messages import a_cut, a_schema, a_state

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import requests

    from tests.shop.newstore import NewStore
    from tests.target.stock_messages import Message

LEDGER = "0123456789abcdef"
KEY = ("DC01", "SKU-1")


class Run(t.NamedTuple):
    """A run on a host of its own.

    Attributes:
        newstore: Where it imports.
        host: Stands for its temporary directory.
        patch: Moves this process there.
        capsys: Reads its states.
    """

    newstore: NewStore
    host: Path
    patch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def of(
        self, cut: int, quantity: int, minutes: int = 0, ledger: str = LEDGER, *, run: str = "", before: str = ""
    ) -> Ended:
        """Import a cut planned so many minutes from now, by a run of the ledger that knew others (a letter each)."""
        planned_at = dt.datetime.now(tz=dt.UTC) + dt.timedelta(minutes=minutes)
        self.host.mkdir(exist_ok=True)
        with self.patch.context() as here:
            here.setattr(tempfile, "tempdir", str(self.host))
            line = {"run": run, "runs_before": [*before]} if run else {}
            messages = [schema(planned_at, ledger, **line), *a_cut(cut, {"SKU-1": quantity}, (cut, cut)), a_state(cut)]
            return run_here(self.newstore, Clock(self.newstore), messages, self.capsys)


def schema(planned_at: dt.datetime, ledger: str, **line: t.Any) -> Message:
    message = a_schema()
    cuts_of = {"ledger": ledger, "planned_at": planned_at.isoformat(), **line}
    message["schema"] = {**message["schema"], "x-cuts-of": cuts_of}
    return message


@pytest.fixture
def older(newstore: NewStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: t.Any) -> Run:
    return Run(newstore, tmp_path / "older", monkeypatch, capsys)


@pytest.fixture
def newer(newstore: NewStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: t.Any) -> Run:
    return Run(newstore, tmp_path / "newer", monkeypatch, capsys)


def at_call(patch: pytest.MonkeyPatch, call: str, then: Callable[[], object]) -> list[str]:
    """Do something once, right before a call, given as its method and the end of its path; return its URL."""
    send, done = HttpSession.send, list[str]()
    method, _, ending = call.partition(" ")

    def stops(session: HttpSession, request: requests.PreparedRequest, **rest: t.Any) -> requests.Response:
        url = str(request.url).partition("?")[0]
        if not done and str(request.method).startswith(method) and url.endswith(ending):
            done.append(url)
            then()
        return send(session, request, **rest)

    patch.setattr(HttpSession, "send", stops)
    return done


@pytest.mark.fault("F33")
@pytest.mark.parametrize("call", ["GET /v0/locations", "GET /import", "POST /import", "POST /start"])
def test_the_older_run_gives_way_wherever_it_stood_still(
    older: Run, newer: Run, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    newer_ended: list[Ended] = []
    done = at_call(monkeypatch, call, lambda: newer_ended.append(newer.of(2, 6)))
    ended = older.of(1, 8)
    assert done
    assert (newer_ended[0].error, newer_ended[0].acknowledged) == ("", [2])
    assert ended.acknowledged == []
    assert older.newstore.on_hand(*KEY) == 6


def test_without_a_look_before_the_job_the_older_run_would_land(
    older: Run, newer: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the test above would not notice proves nothing."""
    monkeypatch.setattr(OtherRuns, "refuse", lambda _runs: None)
    at_call(monkeypatch, "POST /import", lambda: newer.of(2, 6))
    assert older.of(1, 8).acknowledged == [1]
    assert older.newstore.on_hand(*KEY) == 8


def test_a_ledger_restored_from_a_backup_uses_numbers_again_and_goes_on(newstore: NewStore, newer: Run) -> None:
    assert newer.of(7, 6).error == ""
    assert newer.of(3, 5, minutes=10).error == ""
    assert newstore.on_hand(*KEY) == 5


def test_an_older_plan_does_not_begin_after_a_newer_one(newstore: NewStore, newer: Run) -> None:
    assert newer.of(7, 6).error == ""
    said = newer.of(3, 8).error
    assert said.startswith("another run has overtaken this one: it imports cut 7 of the same ledger, and this is cut 3")
    assert newstore.on_hand(*KEY) == 6


@pytest.mark.fault("F33")
def test_an_older_plan_does_not_begin_after_a_newer_one_whatever_the_clocks_say(newstore: NewStore, newer: Run) -> None:
    # Its clock, or the newer one's, is an hour wrong.
    assert newer.of(7, 6, run="b", before="ac").error == ""
    assert newer.of(3, 8, minutes=60, run="a", before="c").error.startswith("another run has overtaken this one")
    assert newstore.on_hand(*KEY) == 6


def test_a_claim_that_cannot_be_read_just_now_stops_the_run(
    newstore: NewStore, newer: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert newer.of(7, 6, run="b", before="ac").error == ""
    monkeypatch.setattr(LocalFileSystem, "cat_file", mock.Mock(side_effect=ConnectionError("reset")))
    assert newer.of(3, 8, minutes=60, run="a", before="c").error.startswith("staging_url: cannot read ")
    assert newstore.on_hand(*KEY) == 6


@pytest.mark.fault("F33")
@pytest.mark.parametrize("call", ["GET /v0/locations", "GET /import", "POST /import", "POST /start"])
@pytest.mark.parametrize("cut", [2, 3])
def test_a_run_the_ledger_no_longer_knows_gives_way_wherever_it_stood_still(
    older: Run, newer: Run, monkeypatch: pytest.MonkeyPatch, call: str, cut: int
) -> None:
    """The ledger was restored from a backup of before that run, or a standby that lagged took over."""
    newer_ended: list[Ended] = []
    at_call(monkeypatch, call, lambda: newer_ended.append(newer.of(cut, 6, minutes=10, run="b", before="c")))
    ended = older.of(3, 8, run="a", before="c")
    assert [(each.error, each.acknowledged) for each in newer_ended] == [("", [cut])]
    assert (bool(ended.error), ended.acknowledged) == (True, [])
    assert older.newstore.on_hand(*KEY) == 6


@pytest.mark.fault("F33")
def test_nor_does_it_begin_after_a_newer_one(newstore: NewStore, newer: Run) -> None:
    assert newer.of(3, 6, run="b", before="c").error == ""
    assert newer.of(3, 8, run="a", before="c", minutes=-1).error.startswith("another run has overtaken this one")
    assert newstore.on_hand(*KEY) == 6


def test_the_runs_before_hold_up_nothing(newstore: NewStore, newer: Run) -> None:
    for cut, (run, before) in enumerate([("a", ""), ("b", "a"), ("c", "ba")], 1):
        assert newer.of(cut, cut, run=run, before=before).error == ""
    # Restored to before run b, some time later.
    assert newer.of(2, 9, minutes=10, run="d", before="a").error == ""
    assert newstore.on_hand(*KEY) == 9


def test_nor_do_those_of_long_ago_whose_clock_was_far_ahead(newstore: NewStore, newer: Run) -> None:
    assert newer.of(3, 8, run="a", before="bc").error == ""
    # So many runs later that it names none of them.
    assert newer.of(9, 6, minutes=-60, run="f", before="de").error == ""
    assert newstore.on_hand(*KEY) == 6


def test_another_ledgers_numbers_say_nothing(newstore: NewStore, newer: Run) -> None:
    assert newer.of(7, 6, ledger="fedcba98").error == ""
    assert newer.of(3, 8).error == ""
    assert newstore.on_hand(*KEY) == 8


def test_the_run_claims_before_any_call_to_newstore(
    newstore: NewStore, newer: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims: list[int] = []
    at_call(monkeypatch, "", lambda: claims.append(len(list(newstore.staging.glob("*.claim")))))
    assert newer.of(7, 6).error == ""
    assert claims == [1]
