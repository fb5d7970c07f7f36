"""`make bench` works; the sizes here are too small to show speed."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
import xml.etree.ElementTree as ET

from tests.benchmarks.drawing import draw
from tests.benchmarks.measuring import Figure, Measured, Report, run_chain, run_process
from tests.shop.process import environment

if t.TYPE_CHECKING:
    from pathlib import Path

#: The others take minutes at any size, or run Meltano in the project.
PARTS = ("limits", "tap", "target")


def test_the_program_prints_a_table_and_keeps_figures_and_picture(tmp_path: Path) -> None:
    parts = [argument for part in PARTS for argument in ("--part", part)]
    sizes = ["--size", "500", "--size", "1000", "--rounds", "1", "--results", str(tmp_path)]
    run = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *parts, *sizes],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "Growth" in run.stdout
    kept = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    ratios = {(figure["what"], figure["beside"]) for figure in kept["figures"] if figure["beside"]}
    assert ("tap-newstore-fulfillment", "SDK default") in ratios
    assert {row["part"] for row in kept["growth"]} == set(PARTS)
    ET.fromstring((tmp_path / "cost.svg").read_text(encoding="utf-8"))


def test_growth_compares_the_largest_size_with_the_smallest() -> None:
    report = Report()
    report.figures = [Figure("tap", "ours", 100, 1000.0, 80.0), Figure("tap", "ours", 1000, 500.0, 88.0)]
    (growth,) = report.growth()
    assert (growth.least, growth.most, growth.cost, growth.memory) == (100, 1000, 2.0, 1.1)


def test_a_part_measured_alone_leaves_the_figures_of_all_others(tmp_path: Path) -> None:
    both, one = Report(), Report()
    both.figures = [Figure(part, "ours", size, 1000.0, 80.0) for part in ("tap", "target") for size in (100, 1000)]
    one.figures = [Figure("tap", "ours", 1000, 500.0, 88.0), Figure("sweep", "ours", 100, 10.0)]
    path = tmp_path / "figures.json"
    both.write(path)
    kept = [(figure.part, figure.size, figure.per_second) for figure in one.write(path)]
    assert kept == [
        ("tap", 100, 1000),
        ("tap", 1000, 500),
        ("target", 100, 1000),
        ("target", 1000, 1000),
        ("sweep", 100, 10),
    ]
    written = json.loads(path.read_text(encoding="utf-8"))
    assert [figure["per_second"] for figure in written["figures"]] == [rate for _, _, rate in kept]
    assert {row["part"]: row["cost"] for row in written["growth"]} == {"tap": 2, "target": 1}


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    report = Report()
    # The machine was twice as slow in two of three rounds, and did not wait for their end.
    ours, theirs = [Measured(seconds, 0) for seconds in (1, 2, 2)], [Measured(seconds, 0) for seconds in (2, 2, 4)]
    report.add("tap", 10, {"ours": ours, "theirs": theirs, "allowed": [Measured(3, 0)]}, {("ours", "theirs"): 1})
    report.add("tap", 10, {"ours": ours, "allowed": [Measured(3, 0)]}, {("ours", "allowed"): 1})
    assert [figure.ratio for figure in report.figures if figure.beside] == [2, 1.5]


def test_the_peak_memory_is_the_commands_and_not_ours() -> None:
    small, large = ([sys.executable, "-c", f"held = b'x' * {size}"] for size in (1, 80_000_000))
    ours = b"x" * 160_000_000
    alone, chain = run_process(small), run_chain(small, large)
    assert alone.peak_mb < 80 < chain[1].peak_mb < len(ours) / 1e6
    assert chain[0].peak_mb < 80


def test_the_picture_names_each_way_safely() -> None:
    figures = [Figure("tap", "a < b", size, 1000.0) for size in (100, 1000)]
    assert "a &lt; b" in draw(figures)


def test_the_picture_has_a_panel_for_each_part_with_several_sizes() -> None:
    figures = [Figure(part, "ours", size, 1000.0) for part in ("tap", "target") for size in (100, 1000)]
    texts = [element.text for element in ET.fromstring(draw([*figures, Figure("chain", "ours", 100, 1000.0)])).iter()]
    assert "tap" in texts
    assert "target" in texts
    assert "chain" not in texts
