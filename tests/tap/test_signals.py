"""A tap stopped in mid-run: what it sent after its last STATE is sent again, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import typing as t

import pytest
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.shop.process import command, environment
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from pathlib import Path

EVENTS = 30_000
READ_BEFORE_THE_SIGNAL = 15_000


def run_tap(
    directory: Path, state: dict[str, t.Any], end_with: signal.Signals | None
) -> tuple[list[int], list[int], dict[str, t.Any]]:
    """Run the tap; return the timestamps covered by a STATE, those not covered, and the last STATE."""
    (directory / "state.json").write_text(json.dumps(state), encoding="utf-8")
    arguments = ["--config", str(directory / "config.json"), "--state", str(directory / "state.json")]
    covered: list[int] = []
    since: list[int] = []
    with subprocess.Popen(
        [command("tap-newstore-fulfillment"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        text=True,
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if not line.endswith("\n"):
                break  # cut off by the signal; no Singer reader accepts it
            message = json.loads(line)
            if message["type"] == "RECORD":
                since.append(message["record"]["logical_timestamp"])
            elif message["type"] == "STATE":
                state, covered, since = message["value"], covered + since, []
            if end_with and len(covered) + len(since) == READ_BEFORE_THE_SIGNAL:
                os.kill(process.pid, end_with)
    assert process.returncode == (0 if end_with is None else process.returncode)
    assert end_with is None or process.returncode in (-end_with, 128 + end_with)
    return covered, since, state


@pytest.mark.fault("F6")
@pytest.mark.parametrize("end_with", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_in_mid_run_loses_nothing_and_repeats_nothing_before_the_last_state(
    tmp_path: Path, end_with: signal.Signals
) -> None:
    url = f"sqlite:///{tmp_path / 'landing.db'}"
    store = LandingStore(url)
    bodies = (an_event(at, request=f"fr-{at}") for at in range(EVENTS))
    store.add([check_event(json.dumps(body).encode()) for body in bodies], received_at=0)
    store.close()
    config = {"landing_url": url, "settle_seconds": 0}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    covered, _, state = run_tap(tmp_path, {}, end_with)
    # A STATE covers the records before it, except perhaps the last one.
    assert covered
    assert len(covered) < EVENTS
    again, rest, _ = run_tap(tmp_path, state, None)
    assert rest == []
    assert sorted(set(covered) | set(again)) == list(range(EVENTS))
    assert set(covered) & set(again) <= {covered[-1]}
