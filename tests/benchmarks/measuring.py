"""Whole processes, timed with their peak memory, and the report they end up in."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import time
import typing as t
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.shop.process import environment

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Measured:
    """One run of a process.

    Attributes:
        seconds: From start to end.
        peak_mb: The most memory it held, in millions of bytes.
    """

    seconds: float
    peak_mb: float


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the report.

    Attributes:
        part: What was measured, such as "tap".
        what: Which way of doing it, such as "SDK default".
        size: How many records.
        per_second: Records per second, the median of all rounds.
        peak_mb: Highest peak of all rounds; None when it was not a process of its own.
        ratio: This line's rate over the rate of the line named in `beside`.
        required: The ratio that is wanted.
    """

    part: str
    what: str
    size: int
    per_second: float
    peak_mb: float | None = None
    beside: str = ""
    ratio: float | None = None
    required: float | None = None


def run_process(
    arguments: Sequence[str], *, stdin: Path | None = None, stdout: Path | None = None, **variables: str
) -> Measured:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed; carries what it wrote to stderr.
    """
    with (stdin or Path(os.devnull)).open("rb") as source, (stdout or Path(os.devnull)).open("wb") as sink:
        begun = time.perf_counter()
        process = subprocess.Popen(
            arguments, stdin=source, stdout=sink, stderr=subprocess.PIPE, env=environment(**variables)
        )
        said = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.stderr:
        process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{arguments[0]} ended with {process.returncode}: {said.decode(errors='replace')[-2000:]}")
    return Measured(seconds, usage.ru_maxrss * 1024 / 1e6)


def in_turns(ways: Mapping[str, Callable[[], Measured]], rounds: int) -> dict[str, list[Measured]]:
    """Measure several ways in turns, so that a busy moment of the machine hits all of them."""
    measured: dict[str, list[Measured]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            measured[name].append(way())
    return measured


class Report:
    """Collects figures, prints them, and keeps them as JSON."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []

    def add(
        self, part: str, size: int, measured: dict[str, list[Measured]], required: dict[tuple[str, str], float]
    ) -> None:
        """Add ways measured in turns.

        Args:
            part: What was measured.
            size: How many records each way moved.
            measured: As `in_turns` gives it.
            required: For pairs (way, the way it is compared with): the ratio of their rates that is wanted.
        """
        rates = {name: size / statistics.median(run.seconds for run in runs) for name, runs in measured.items()}
        for name, runs in measured.items():
            peak = max(run.peak_mb for run in runs) or None
            self.figures.append(Figure(part, name, size, rates[name], peak))
        for (name, beside), ratio in required.items():
            self.figures.append(Figure(part, name, size, rates[name], None, beside, rates[name] / rates[beside], ratio))

    def print(self, console: Console | None = None) -> None:
        """Print all figures as a table."""
        table = Table(title="Benchmarks: records per second, ratios measured side by side")
        for column in ("part", "what", "size", "per second", "peak MB", "beside", "ratio", "wanted"):
            table.add_column(column, justify="left" if column in ("part", "what", "beside") else "right")
        for figure in self.figures:
            table.add_row(
                figure.part,
                figure.what,
                f"{figure.size:,}",
                f"{figure.per_second:,.0f}",
                "" if figure.peak_mb is None else f"{figure.peak_mb:.0f}",
                figure.beside,
                "" if figure.ratio is None else f"{figure.ratio:.2f}",
                "" if figure.required is None else f"≥ {figure.required:g}",
            )
        (console or Console()).print(table)

    def write(self, path: Path) -> None:
        """Write all figures as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([dataclasses.asdict(figure) for figure in self.figures], indent=1) + "\n")
