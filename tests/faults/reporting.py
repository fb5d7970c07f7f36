"""Plays many schedules and reports, for the tests and for `make soak`."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from tests.faults.report import Report

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.faults.judge import Verdict

#: Failing schedules that are shown; each is a line or more.
SHOWN = 10


def seeds(variable: str, default: int) -> range:
    """Give the seeds to play; an environment variable sets how many."""
    return range(int(os.environ.get(variable, str(default))))


def reporting(title: str, file: str, directory: Path) -> Iterator[Report]:
    """Give a report, and print and write it when everything was played.

    FAULT_REPORTS names the directory for the JSON; without it the file is the test's own.
    """
    report = Report(title)
    yield report
    path = Path(os.environ.get("FAULT_REPORTS") or directory) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    report.write(path)
    print(f"\n{report.table()}\n  written to {path}")


def play_all(report: Report, numbers: Iterable[int], play: Callable[[int], Verdict], replay: str) -> None:
    """Play schedules, and fail with the command that replays the first one that is wrong."""
    failures: dict[int, list[str]] = {}
    for seed in numbers:
        verdict = play(seed)
        report.add(verdict)
        if verdict.failures:
            failures[seed] = verdict.failures
    if failures:
        lines = [line for found in list(failures.values())[:SHOWN] for line in found[:3]]
        again = replay.format(seed=next(iter(failures)))
        pytest.fail(f"{len(failures)} schedules are wrong; replay: {again}\n" + "\n".join(lines), pytrace=False)
