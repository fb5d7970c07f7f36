"""`make bench`: measures each part side by side with what it is compared with.

Each module named in PARTS has `measure(report, size, rounds, directory)`.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from pathlib import Path

import click

from tests.benchmarks.drawing import draw
from tests.benchmarks.measuring import Report

PARTS: tuple[str, ...] = ("start", "limits", "receiver", "tap", "ledger", "target", "chain")
#: The same at every size: measured once.
WITHOUT_SIZE = ("start", "receiver")
#: Minutes each: one round tells enough.
MOST_IN_ROUNDS = 1_000_000
RESULTS = Path(__file__).parent / "results"


@click.command()
@click.option("--size", "sizes", multiple=True, type=int, default=(100_000,), help="Records; may be given repeatedly.")
@click.option("--rounds", default=3, help="How often each way is measured.")
@click.option("--part", "parts", multiple=True, default=PARTS, help="Which parts; default all.")
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path), help="Where the figures are kept.")
def main(sizes: tuple[int, ...], rounds: int, parts: tuple[str, ...], results: Path) -> None:
    """Measure, print the table, and write it as JSON and as a picture."""
    report = Report()
    for part in parts:
        module = importlib.import_module(f"tests.benchmarks.{part}")
        for size in sizes[:1] if part in WITHOUT_SIZE else sizes:
            # Gigabytes an earlier part has left to be written would make this one's commits wait.
            os.sync()
            with tempfile.TemporaryDirectory() as directory:
                module.measure(report, size, rounds if size <= MOST_IN_ROUNDS else 1, Path(directory))
            # A run that is stopped after an hour keeps what it measured.
            report.write(results / "figures.json")
            (results / "cost.svg").write_text(draw(report.figures), encoding="utf-8")
    report.print()


if __name__ == "__main__":
    main()
