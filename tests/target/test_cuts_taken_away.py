"""What stands between the mapper and the import takes whole cuts away: their STATE is not emitted (rules 7 and 14)."""

from __future__ import annotations

import typing as t

import pytest

from tests.shop.plugin import run_plugin
from tests.target.stock_messages import a_cut, a_schema, a_state, acknowledged

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.newstore import NewStore
    from tests.shop.plugin import Finished
    from tests.target.stock_messages import Message

NO_CUT_FIELDS = dict.fromkeys(("cut_id", "cut_size", "logical_timestamp_start", "logical_timestamp_end"))
TWO_CUTS = [*a_cut(16, {"A": 7}, (1, 2)), a_state(16), *a_cut(17, {"B": 5}, (3, 4)), a_state(17)]


def mapper_schema() -> Message:
    message = a_schema()
    cuts_of = {"ledger": "0123456789abcdef", "planned_at": "2026-01-01T00:00:00+00:00"}
    message["schema"] = {**message["schema"], "x-cuts-of": cuts_of}
    return message


def run(newstore: NewStore, directory: Path, *messages: Message, **settings: t.Any) -> Finished:
    return run_plugin(
        "target-newstore-stock", directory, {**newstore.target_settings, **settings}, messages=[*messages]
    )


@pytest.mark.fault("F28")
@pytest.mark.parametrize(
    ("stream_map", "came", "missing"),
    [
        pytest.param(None, [], 16, id="the stream"),
        pytest.param({"__filter__": "record['product_id'] != 'B'"}, [16], 17, id="all records of a cut"),
        # Plain records wait for more of them, so only the last STATE is looked at.
        pytest.param(NO_CUT_FIELDS, [], 17, id="the cut fields"),
    ],
)
def test_a_state_names_no_cut_that_never_came(
    newstore: NewStore, tmp_path: Path, stream_map: object, came: list[int], missing: int
) -> None:
    done = run(newstore, tmp_path, mapper_schema(), *TWO_CUTS, stream_maps={"stock": stream_map})
    assert (done.code, acknowledged(done.messages)) == (1, came)
    assert f"a STATE says that NewStore has cut {missing}, which never came" in done.log
    assert "[NSS-310]" in done.log
    assert "Traceback" not in done.log


def test_a_state_in_the_middle_of_its_cut_and_one_that_comes_too_late_are_emitted(
    newstore: NewStore, tmp_path: Path
) -> None:
    first, *rest = a_cut(16, {"A": 7, "B": 5}, (1, 2))
    late = [*a_cut(17, {"A": 6}, (3, 4)), a_state(16), a_state(17)]
    done = run(newstore, tmp_path, mapper_schema(), first, a_state(16), *rest, *late)
    assert (done.code, acknowledged(done.messages)) == (0, [16, 16, 17]), done.log


def test_a_cut_of_which_everything_is_left_out_has_come(newstore: NewStore, tmp_path: Path) -> None:
    done = run(newstore, tmp_path, mapper_schema(), *a_cut(16, {"A": 7}, (1, 2), node="NOBODYS"), a_state(16))
    assert (done.code, acknowledged(done.messages)) == (0, [16]), done.log


@pytest.mark.parametrize("value", [{}, {"bookmarks": {"stock": {"cut": 16}}}, {"bookmarks": []}, None])
def test_a_state_of_others_and_of_a_run_without_cuts_is_emitted(
    newstore: NewStore, tmp_path: Path, value: object
) -> None:
    state = {"type": "STATE", "value": value}
    done = run(newstore, tmp_path, state)
    assert (done.code, done.messages) == (0, [] if value is None else [value]), done.log
    done = run(newstore, tmp_path, a_schema(), *a_cut(3, {"A": 7}), state)
    assert (done.code, done.messages) == (0, [] if value is None else [value]), done.log
