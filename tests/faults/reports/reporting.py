"""Plays many schedules and reports, for the tests and for `make soak`.

What was played goes with the test's result, so that it comes together also when several processes play.
"""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from tests.faults.reports.report import Report

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.faults.stories.judge import Verdict

#: Failing schedules that are shown; each is a line or more.
SHOWN = 10
#: The properties of a test's result that are reported at the end: counts to add up, a table as it is.
COUNTS, TABLE = "counts of schedules", "table of schedules"
Record = t.Callable[[str, object], None]


def seeds(variable: str, default: int) -> range:
    """Give the seeds to play; an environment variable sets how many."""
    return range(int(os.environ.get(variable, str(default))))


def play_all(title: str, record: Record, numbers: Iterable[int], play: Callable[[int], Verdict], replay: str) -> None:
    """Play schedules, and fail with the command that replays the first one that is wrong.

    Args:
        title: What is played; the counts of all tests with one title are added up.
        record: pytest's `record_property`.
        numbers: The seeds.
        play: Plays one.
        replay: The command that plays one again, with `{seed}`.
    """
    report = Report(title)
    failures: dict[int, list[str]] = {}
    for seed in numbers:
        verdict = play(seed)
        report.add(verdict)
        if verdict.failures:
            failures[seed] = verdict.failures
    record(COUNTS, report.content())
    if failures:
        lines = [line for found in list(failures.values())[:SHOWN] for line in found[:3]]
        again = replay.format(seed=next(iter(failures)))
        pytest.fail(f"{len(failures)} schedules are wrong; replay: {again}\n" + "\n".join(lines), pytrace=False)


def show_reports(terminal: pytest.TerminalReporter) -> None:
    """Print what was played; FAULT_REPORTS names a directory that gets it as JSON too."""
    results = [result for outcome in ("passed", "failed") for result in terminal.stats.get(outcome, [])]
    properties = [entry for result in results for entry in result.user_properties]
    reports: dict[str, Report] = {}
    for name, value in properties:
        if name == COUNTS:
            reports.setdefault(value["title"], Report(value["title"])).add_content(value)
        elif name == TABLE:
            terminal.write_line(value)
    for report in reports.values():
        terminal.write_line(report.table())
        if directory := os.environ.get("FAULT_REPORTS"):
            path = Path(directory) / f"{report.title.lower().replace(' ', '_')}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            report.write(path)
