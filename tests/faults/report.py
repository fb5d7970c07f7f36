"""The report of many schedules, as a table and as JSON."""

from __future__ import annotations

import collections
import json
import typing as t

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.judge import Verdict

#: What stands in every report, also when it is 0.
ALWAYS = (
    "schedules",
    "runs",
    "events",
    "units shipped",
    "duplicates",
    "late events",
    "states lost",
    "states restored",
    "kills of the receiver",
    "kills of the tap",
    "kills of the mapper",
    "kills of the target",
    "imports",
)


class Report:
    """Adds verdicts up.

    Args:
        title: What was played.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.counts: collections.Counter[str] = collections.Counter()
        self.failures: list[str] = []
        self._oversold = self._undersold = 0

    def add(self, verdict: Verdict) -> None:
        """Add a schedule's verdict."""
        self.counts += verdict.counts
        self.failures += verdict.failures
        self._oversold += sum(wrong.units for wrong in verdict.oversold)
        self._undersold += sum(wrong.units for wrong in verdict.undersold_at_rest)

    def rows(self) -> dict[str, int]:
        """Give the numbers, in the order they are shown."""
        others = {name: count for name, count in sorted(self.counts.items()) if name not in ALWAYS}
        shown = {name: self.counts[name] for name in ALWAYS} | others
        return shown | {"oversold units": self._oversold, "undersold at rest": self._undersold}

    def table(self) -> str:
        """Give the report as lines of text."""
        width = max(map(len, self.rows()))
        return "\n".join([self.title, *(f"  {name:<{width}}  {count:>8,}" for name, count in self.rows().items())])

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        content = {"title": self.title, **self.rows(), "failures": self.failures}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
