"""From the landing store to messages, beside the SDK's defaults and a bare loop.

All three are processes that write the same records to the same kind of sink.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import typing as t

from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.benchmarks.measuring import in_turns, run_process
from tests.shop.process import command
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.measuring import Report

OURS, SDK_DEFAULT, BARE_LOOP = "tap-newstore-fulfillment", "SDK default", "bare loop"
INSERTED_AT_ONCE = 5_000
#: Larger inputs are measured for our tap only.
MOST_FOR_THE_SDK = 1_000_000


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure the release of `size` waiting events."""
    url = f"sqlite:///{directory / 'landing.db'}"
    fill(url, size)
    config = directory / "config.json"
    config.write_text(json.dumps({"landing_url": url, "settle_seconds": 0}), encoding="utf-8")
    program = [sys.executable, "-m", "tests.benchmarks.tap_compared"]
    commands = {
        OURS: [command("tap-newstore-fulfillment"), "--config", str(config)],
        SDK_DEFAULT: [*program, "sdk", url, str(size)],
        BARE_LOOP: [*program, "loop", url, str(size)],
    }
    sink = directory / "messages"
    ways = {name: functools.partial(run_process, arguments, stdout=sink) for name, arguments in commands.items()}
    required = {(OURS, SDK_DEFAULT): 5.0, (OURS, BARE_LOOP): 0.5}
    if size > MOST_FOR_THE_SDK:
        report.add("tap", size, in_turns({OURS: ways[OURS]}, 1), {})
        return
    report.add("tap", size, in_turns(ways, rounds), required)


def fill(url: str, size: int) -> None:
    """Store events as if they had been received long ago."""
    store = LandingStore(url)
    for first in range(0, size, INSERTED_AT_ONCE):
        numbers = range(first, min(first + INSERTED_AT_ONCE, size))
        store.add([check_event(json.dumps(event(number)).encode()) for number in numbers], received_at=0)
    store.close()
    # Flush: gigabytes left unwritten would slow the first reader.
    os.sync()


def event(number: int) -> dict[str, t.Any]:
    """Return a typical event of a shop."""
    return an_event(number + 1, f"SKU-{number % 5_000:05}", request=f"5e0c7f6a-0000-4000-8000-{number:012}")
