"""Measures time and peak memory of whole processes, and reports them."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.shop.process import environment

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SMALL_PARENT = Path(__file__).with_name("small_parent.py")
SMALL_RATE = 10
LOG_WIDTH = 160
MOST_COST, MOST_MEMORY = 1.2, 1.3


@dataclasses.dataclass(frozen=True)
class Measured:
    """One run of a process.

    Attributes:
        seconds: From start to end.
        peak_mb: Peak memory in millions of bytes.
        cpu_seconds: Of the process and its children; 0 where it was not measured.
    """

    seconds: float
    peak_mb: float
    cpu_seconds: float = 0.0

    @property
    def cpu(self) -> Measured:
        """The same, with its CPU seconds as its seconds."""
        return dataclasses.replace(self, seconds=self.cpu_seconds)


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the report.

    Attributes:
        part: What was measured, such as "tap".
        what: Which variant, such as "SDK default".
        size: How many records.
        per_second: Records per second, the median of all rounds.
        peak_mb: Highest peak of all rounds; None if it was not a separate process.
        ratio: This line's rate over the rate of the line named in `beside`.
        required: The ratio wanted.
        is_memory: The ratio is one of peaks, and the one wanted the highest.
    """

    part: str
    what: str
    size: int
    per_second: float
    peak_mb: float | None = None
    beside: str = ""
    ratio: float | None = None
    required: float | None = None
    is_memory: bool = False


@dataclasses.dataclass(frozen=True)
class Growth:
    """How a variant's cost grows with its size.

    Attributes:
        least: The smallest size.
        most: The largest size.
        cost: Seconds per record at the largest size over those at the smallest.
        memory: Peak memory at the largest size over that at the smallest.
    """

    part: str
    what: str
    least: int
    most: int
    cost: float
    memory: float | None


def run_process(
    arguments: Sequence[str],
    *,
    stdin: Path | None = None,
    stdout: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Measured:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed; carries what it wrote to stderr.
    """
    with (
        tempfile.TemporaryDirectory() as directory,
        (stdin or Path(os.devnull)).open("rb") as source,
        (stdout or Path(os.devnull)).open("wb") as sink,
    ):
        path = Path(directory) / "measured"
        run = subprocess.run(
            _from_a_small_parent(path, arguments),
            stdin=source,
            stdout=sink,
            stderr=subprocess.PIPE,
            env=environment(**(variables or {})),
            check=False,
        )
        if run.returncode:
            said = run.stderr.decode(errors="replace")[-2000:]
            raise RuntimeError(f"{arguments[0]} ended with {run.returncode}: {said}")
        return _read_measured(path)


def _from_a_small_parent(path: Path, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-I", "-S", str(SMALL_PARENT), str(path), *arguments]


def _read_measured(path: Path) -> Measured:
    seconds, cpu, peak = path.read_text(encoding="ascii").split()
    return Measured(float(seconds), int(peak) / 1e6, float(cpu))


def run_chain(*commands: Sequence[str], stdout: Path | None = None) -> list[Measured]:
    """Run commands joined by pipes; each one's seconds count from the start of all.

    Args:
        commands: Each reads what the one before it writes.
        stdout: Gets what the last one writes; None: nothing does.

    Raises:
        RuntimeError: one of them failed.
    """
    with tempfile.TemporaryDirectory() as directory, (stdout or Path(os.devnull)).open("wb") as sink:
        begun = time.perf_counter()
        paths = [Path(directory) / str(number) for number in range(len(commands))]
        processes: list[subprocess.Popen[bytes]] = []
        for path, arguments in zip(paths, commands, strict=True):
            process = subprocess.Popen(
                _from_a_small_parent(path, arguments),
                stdin=processes[-1].stdout if processes else subprocess.DEVNULL,
                stdout=sink if path is paths[-1] else subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(),
            )
            if processes and (pipe := processes[-1].stdout):
                # Only the reader may hold the pipe, or the writer would not notice that the reader ended.
                pipe.close()
            processes.append(process)
        ends = []
        for process in processes:
            process.wait()
            ends.append(time.perf_counter() - begun)
        if failed := [f"{process.args!r}: {process.returncode}" for process in processes if process.returncode]:
            raise RuntimeError(f"ended with a failure: {', '.join(failed)}")
        return [Measured(end, _read_measured(path).peak_mb) for end, path in zip(ends, paths, strict=True)]


def in_turns(ways: Mapping[str, Callable[[], Measured]], rounds: int) -> dict[str, list[Measured]]:
    """Measure several variants in turn, so that a busy moment of the machine affects them all."""
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
        self,
        part: str,
        size: int,
        measured: dict[str, list[Measured]],
        required: dict[tuple[str, str], float],
        beside: dict[tuple[str, str], tuple[float, float]] | None = None,
    ) -> None:
        """Add variants measured in turn.

        Args:
            part: What was measured.
            size: How many records each variant moved.
            measured: The result of `in_turns`.
            required: The wanted ratio of rates, by (variant, its baseline); of several rounds, the median of theirs.
            beside: The same for baselines measured with fewer records: their rate, and the wanted ratio.
        """
        rates = {name: size / statistics.median(run.seconds for run in runs) for name, runs in measured.items()}
        for name, runs in measured.items():
            peak = max(run.peak_mb for run in runs) or None
            self.figures.append(Figure(part, name, size, rates[name], peak))
        for (name, other), ratio in required.items():
            found = _ratio(measured[name], measured[other])
            self.figures.append(Figure(part, name, size, rates[name], None, other, found, ratio))
        for (name, other), (rate, ratio) in (beside or {}).items():
            self.figures.append(Figure(part, name, size, rates[name], None, other, rates[name] / rate, ratio))

    def add_memory(
        self, part: str, size: int, measured: dict[str, list[Measured]], most: dict[tuple[str, str], float]
    ) -> None:
        """Add how much more memory a variant takes than its baseline, by (variant, its baseline): the most wanted."""
        peaks = {name: max(run.peak_mb for run in runs) for name, runs in measured.items()}
        for (name, other), ratio in most.items():
            more, rate = peaks[name] / peaks[other], size / measured[name][0].seconds
            self.figures.append(Figure(part, name, size, rate, peaks[name], other, more, ratio, is_memory=True))

    def growth(self) -> list[Growth]:
        """Return how cost and memory grow from each variant's smallest size to its largest."""
        return _growth(self.figures)

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
                f"{figure.per_second:,.{0 if figure.per_second > SMALL_RATE else 2}f}",
                "" if figure.peak_mb is None else f"{figure.peak_mb:.0f}",
                figure.beside,
                "" if figure.ratio is None else f"{figure.ratio:.2f}{' memory' if figure.is_memory else ''}",
                "" if figure.required is None else f"{'≤' if figure.is_memory else '≥'} {figure.required:.3g}",
            )
        if console is None:
            console = Console() if sys.stdout.isatty() else Console(width=LOG_WIDTH)
        console.print(table)
        growth = Table(title=f"Growth: cost per record (wanted: ≤ {MOST_COST:g}) and peak memory (≤ {MOST_MEMORY:g})")
        for column in ("part", "what", "from", "to", "cost", "memory"):
            growth.add_column(column, justify="left" if column in ("part", "what") else "right")
        for row in self.growth():
            memory = "" if row.memory is None else f"{row.memory:.2f}"
            growth.add_row(row.part, row.what, f"{row.least:,}", f"{row.most:,}", f"{row.cost:.2f}", memory)
        console.print(growth)

    def write(self, path: Path) -> list[Figure]:
        """Write all figures as JSON, and return them: what is not measured now has those of the run before."""
        path.parent.mkdir(parents=True, exist_ok=True)
        before = _read(path) if path.exists() else []
        parts = list(dict.fromkeys(figure.part for figure in [*before, *self.figures]))
        now = {(figure.part, figure.size) for figure in self.figures}
        kept = [figure for figure in before if (figure.part, figure.size) not in now]
        figures = sorted([*kept, *self.figures], key=lambda figure: (parts.index(figure.part), figure.size))
        rows = {
            "figures": [dataclasses.asdict(figure) for figure in figures],
            "growth": [dataclasses.asdict(row) for row in _growth(figures)],
        }
        path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        return figures


def _read(path: Path) -> list[Figure]:
    return [Figure(**row) for row in json.loads(path.read_text(encoding="utf-8"))["figures"]]


def _growth(measured: Sequence[Figure]) -> list[Growth]:
    found: dict[tuple[str, str], list[Figure]] = {}
    for figure in measured:
        if not figure.beside and figure.size > 1:
            found.setdefault((figure.part, figure.what), []).append(figure)
    grown = []
    for figures in found.values():
        least, most = (pick(figures, key=lambda figure: figure.size) for pick in (min, max))
        if least.size < most.size:
            memory = most.peak_mb / least.peak_mb if most.peak_mb and least.peak_mb else None
            cost = least.per_second / most.per_second
            grown.append(Growth(least.part, least.what, least.size, most.size, cost, memory))
    return grown


def _ratio(runs: Sequence[Measured], beside: Sequence[Measured]) -> float:
    """Return the ratio of rates: of those of each round, as the machine may be slower in the next one."""
    if len(runs) == len(beside):
        return statistics.median(other.seconds / run.seconds for run, other in zip(runs, beside, strict=True))
    return statistics.median(run.seconds for run in beside) / statistics.median(run.seconds for run in runs)
