"""Kills the target at each step of a job; the next run repairs everything (faults F6 and F9)."""

from __future__ import annotations

import json
import signal
import subprocess
import typing as t

import pytest

from tests.shop.plugin import run_plugin
from tests.shop.process import command, environment, wait_until
from tests.target.stock_messages import a_cut, a_schema, a_state, acknowledged

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.newstore import NewStore

IMPORT = "/v0/d/import"
MESSAGES = [a_schema(), *a_cut(1, {"A": 7}, (1, 2)), a_state(1), *a_cut(2, {"A": 5, "B": 3}, (3, 4)), a_state(2)]

#: The call the target is waiting in when it is killed.
STEPS: dict[str, dict[str, t.Any]] = {
    "asking for the token": {"method": "POST", "path": "/auth/*"},
    "asking for the locations": {"method": "GET", "path": "/v0/locations"},
    "looking for earlier jobs": {"method": "GET", "path": IMPORT},
    "before the job is created": {"method": "POST", "path": IMPORT, "status": 500},
    "after the job was created": {"method": "POST", "path": IMPORT},
    "before the job is started": {"method": "POST", "path": f"{IMPORT}/*/start", "status": 500},
    "after the job was started": {"method": "POST", "path": f"{IMPORT}/*/start"},
    "looking at the job": {"method": "GET", "path": f"{IMPORT}/*"},
    "reading the errors of the finished job": {"method": "GET", "path": f"{IMPORT}/*/errors"},
}


def started(newstore: NewStore, directory: Path, messages: list[dict[str, t.Any]]) -> subprocess.Popen[str]:
    config, lines = directory / "config.json", directory / "messages.jsonl"
    config.write_text(json.dumps(newstore.target_settings), encoding="utf-8")
    lines.write_text("".join(json.dumps(message) + "\n" for message in messages), encoding="utf-8")
    return subprocess.Popen(
        [command("target-newstore-stock"), "--config", str(config), "--input", str(lines)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        text=True,
    )


def stock(newstore: NewStore) -> dict[str, t.Any]:
    return {row["product_id"]: row["on_hand"] for row in newstore.truth()["keys"]}


@pytest.mark.fault("F9")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("step", STEPS)
def test_the_next_run_repairs_what_a_killed_target_left(
    newstore: NewStore, tmp_path: Path, step: str, number: signal.Signals
) -> None:
    newstore.set_faults(calls=[{**STEPS[step], "delay_seconds": 60}])
    with started(newstore, tmp_path, MESSAGES) as target:
        assert target.stdout is not None
        wait_until(lambda: newstore.faults()["calls"][0]["times"] == 0, f"call: {step}")
        target.send_signal(number)
        output = target.stdout.read()
        code = target.wait(30)
    assert code == (128 + number if number == signal.SIGTERM else -number)
    assert output == ""
    newstore.set_faults(calls=[])
    again = run_plugin("target-newstore-stock", tmp_path, newstore.target_settings, messages=MESSAGES)
    assert (again.code, acknowledged(again.messages)) == (0, [1, 2]), again.log
    assert stock(newstore) == {"A": 5, "B": 3}
    assert newstore.open_jobs() == []
    starts = [covered[0] for covered in newstore.ranges() if covered]
    assert starts == sorted(starts)
    assert [path.name for path in newstore.staging.iterdir() if path.suffix != ".zip"] == []
