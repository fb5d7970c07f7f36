"""A staging place that cannot be listed: the guard against a second run refuses, or says that it is none."""

from __future__ import annotations

import datetime as dt
import logging
import typing as t

import pytest
from fsspec.implementations.local import LocalFileSystem
from target_newstore_stock.staged_names import OwnNames
from target_newstore_stock.staging import Staging

from tests.target.runs import Clock, Ended, run_here
from tests.target.stock_messages import a_cut, a_schema, a_state

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.shop.newstore import NewStore

UNGUARDED = "Runs on two machines are not guarded against each other"


@pytest.fixture
def import_with(
    newstore: NewStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Callable[[int], Exception | None]], Ended]:
    """Return what imports two cuts, while listings fail as a test says: by their number, from 1."""

    def run(fails: Callable[[int], Exception | None]) -> Ended:
        ls, count = LocalFileSystem.ls, 0

        def listing(self: LocalFileSystem, *args: t.Any, **kwargs: t.Any) -> t.Any:
            nonlocal count
            count += 1
            if error := fails(count):
                raise error
            return ls(self, *args, **kwargs)

        monkeypatch.setattr(LocalFileSystem, "ls", listing)
        messages = [a_schema(), *a_cut(1, {"A": 1}), a_state(1), *a_cut(2, {"A": 2}), a_state(2)]
        return run_here(newstore, Clock(newstore), messages, capsys)

    return run


@pytest.mark.parametrize(
    "error",
    [
        PermissionError("Access Denied"),
        NotImplementedError(),
        OSError("Forbidden: https://storage.example"),
        RuntimeError("An error occurred (403) when calling the ListObjectsV2 operation"),
    ],
)
def test_a_place_this_user_may_not_list_is_used_and_it_is_said_once_that_it_guards_nothing(
    import_with: t.Any, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    with caplog.at_level(logging.WARNING, "target-newstore-stock.staging"):
        ended = import_with(lambda _: error)
    assert (ended.error, ended.acknowledged) == ("", [1, 2])
    assert caplog.text.count(UNGUARDED) == 1


@pytest.mark.parametrize("first", [1, 2, 3])
def test_a_listing_that_fails_for_now_stops_the_run_before_anything_is_imported(
    newstore: NewStore, import_with: t.Any, first: int
) -> None:
    ended = import_with(lambda number: ConnectionError("reset") if number >= first else None)
    assert "staging_url: cannot list" in ended.error
    assert "cannot be seen whether another run has begun" in ended.error
    assert (ended.states, newstore.imports("finished")) == ([], [])


def test_names_nobody_of_ours_can_have_written_are_left_alone(newstore: NewStore, import_with: t.Any) -> None:
    own = OwnNames("newstore-stock-sync", newstore.target_settings["tenant"])
    strange = [
        f"{own.owner}-20269999T999999.000000Z-cut-1-no-range-0123456789ab.zip",
        f"{own.owner}-00000000T000000.000000Z-claim-0123456789abcdef-7-0123456789ab.claim",
        f"{own.owner}-20260101T000000.000000Z-claim-0123456789abcdef-{'9' * 30}-0123456789ab.claim",
        f"{own.owner}-20261301T000000.000000Z-cut-1-no-range-0123456789ab.job",
    ]
    for name in strange:
        (newstore.staging / name).write_bytes(b"../../")
        assert (own.written_at(name), own.claim(name)) == (None, None) or "-999" in name
    assert import_with(lambda _: None).acknowledged == [1, 2]
    Staging(str(newstore.staging), "uri").clean(own, dt.datetime.now(tz=dt.UTC), [])
    assert all((newstore.staging / name).exists() for name in strange if "-999" not in name)
