"""Where the time of a run with nothing to do goes. The size does not matter here."""

from __future__ import annotations

import functools
import sys
import typing as t

from tests.benchmarks.chain import MELTANO, OURS, run_processes, under_meltano, write_on_hand
from tests.benchmarks.measuring import in_turns, run_process
from tests.benchmarks.tap import fill
from tests.shop.process import command

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.benchmarks.measuring import Measured, Report

STARTS = 5
PYTHON = (sys.executable, "-c")
COMMANDS = {
    "python": [*PYTHON, ""],
    "import singer_sdk": [*PYTHON, "import singer_sdk"],
    "import singer_sdk, sqlalchemy": [*PYTHON, "import singer_sdk, sqlalchemy"],
    "tap-newstore-fulfillment --version": [command("tap-newstore-fulfillment"), "--version"],
    "mapper-newstore-stock --version": [command("mapper-newstore-stock"), "--version"],
    "target-newstore-stock --version": [command("target-newstore-stock"), "--version"],
    "meltano --version": [command("meltano"), "--version"],
}


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure each start, and whole runs with nothing to do; the rates are per second."""
    del size
    landing, on_hand = f"sqlite:///{directory / 'landing.db'}", directory / "on_hand.csv"
    state = directory / "state.json"
    fill(landing, 0)
    write_on_hand(on_hand)
    of_processes, of_meltano = (f"sqlite:///{directory / f'ledger-{name}.db'}" for name in ("processes", "meltano"))
    with under_meltano(directory, landing, on_hand) as run:
        ways: dict[str, Callable[[], Measured]] = {
            name: functools.partial(run_process, arguments) for name, arguments in COMMANDS.items()
        }
        ways[f"{OURS}, nothing to do"] = lambda: run_processes(directory, landing, on_hand, of_processes, state)[-1]
        ways[f"{MELTANO}, nothing to do"] = lambda: run(of_meltano)
        # Not measured: the first run has the initial stock to send.
        in_turns(ways, 1)
        report.add("start", 1, in_turns(ways, max(rounds, STARTS)), {})
