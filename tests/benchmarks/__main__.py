"""`make bench`: measures each part side by side with its baseline.

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

PARTS: tuple[str, ...] = (
    "start",
    "limits",
    "receiver",
    "export_files",
    "tap",
    "ledger",
    "erp_list",
    "bookings",
    "held_keys",
    "whole_shop",
    "target",
    "chain",
    "as_they_come",
    "sweep",
    "upgrade",
    "page",
)
#: Independent of the size, so measured once.
WITHOUT_SIZE = ("start", "receiver")
#: Larger sizes take minutes each, so one round is enough.
MOST_IN_ROUNDS = 1_000_000
RESULTS = Path(__file__).parent / "results"


@click.command()
@click.option("--size", "sizes", multiple=True, type=int, default=(100_000,), help="Records; may be given repeatedly.")
@click.option("--rounds", default=3, help="How often each variant is measured.")
@click.option("--part", "parts", multiple=True, default=PARTS, help="Which parts; default all.")
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path), help="Directory for the figures.")
def main(sizes: tuple[int, ...], rounds: int, parts: tuple[str, ...], results: Path) -> None:
    """Measure, print the table, and write the figures as JSON and as a picture, beside those of other parts."""
    report = Report()
    for part in parts:
        module = importlib.import_module(f"tests.benchmarks.{part}")
        for size in sizes[:1] if part in WITHOUT_SIZE else sizes:
            # Flush first: gigabytes an earlier part left unwritten would slow this part's commits.
            os.sync()
            with tempfile.TemporaryDirectory() as directory:
                module.measure(report, size, rounds if size <= MOST_IN_ROUNDS else 1, Path(directory))
            # Write after each part, so that a run stopped after an hour keeps its figures.
            figures = report.write(results / "figures.json")
            (results / "cost.svg").write_text(draw(figures), encoding="utf-8")
    report.print()


if __name__ == "__main__":
    main()
