"""Where the seconds of a run with nothing to do go. A size does not matter here."""

from __future__ import annotations

import sys
import typing as t

from tests.benchmarks.measuring import in_turns, run_process
from tests.shop.process import command

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.measuring import Report

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
    """Measure each start; the rates are starts per second."""
    del size, directory
    ways = {name: lambda arguments=arguments: run_process(arguments) for name, arguments in COMMANDS.items()}
    report.add("start", 1, in_turns(ways, max(rounds, STARTS)), {})
