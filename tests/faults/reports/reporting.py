"""Plays many schedules and reports on them, for the tests and for `make soak`.

The counts travel with each test's result, so that they can be added up across processes.
"""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from tests.faults.reports.accounts import table_of
from tests.faults.reports.report import Report

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.faults.reports.accounts import Accounts
    from tests.faults.stories.judge import Verdict

#: Failing schedules to show; each takes one line or more.
SHOWN = 10
#: Properties of a test's result that are reported at the end: counts are added up, the model's accounts become
#: one table, a line is printed as it is.
COUNTS, ACCOUNT, LINE = "counts of schedules", "account of the model", "line about schedules"
Record = t.Callable[[str, object], None]


def seeds(variable: str, default: int) -> range:
    """Return the seeds to play; an environment variable can set how many."""
    return range(int(os.environ.get(variable, str(default))))


def play_all(title: str, record: Record, numbers: Iterable[int], play: Callable[[int], Verdict], replay: str) -> None:
    """Play schedules; on failure show the command that replays the first wrong one.

    Args:
        title: Title of the report; the counts of all tests with the same title are added up.
        record: pytest's `record_property`.
        numbers: The seeds.
        play: Plays the schedule of a seed.
        replay: Command that replays a schedule, with the placeholder `{seed}`.
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
    """Print the reports; FAULT_REPORTS names a directory that receives them as JSON too."""
    results = [result for outcome in ("passed", "failed") for result in terminal.stats.get(outcome, [])]
    properties = [entry for result in results for entry in result.user_properties]
    reports: dict[str, Report] = {}
    accounts: Accounts = {}
    for name, value in properties:
        if name == COUNTS:
            reports.setdefault(value["title"], Report(value["title"])).add_content(value)
        elif name == ACCOUNT:
            accounts |= value
        elif name == LINE:
            terminal.write_line(value)
    if accounts:
        terminal.write_line(table_of(accounts))
        _write("model", accounts)
    for report in reports.values():
        terminal.write_line(report.table())
        _write(report.title.lower().replace(" ", "_"), report.content_shown())


def _write(name: str, content: object) -> None:
    if directory := os.environ.get("FAULT_REPORTS"):
        path = Path(directory) / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
