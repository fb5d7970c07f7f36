"""The report of many schedules, as a table and as JSON."""

from __future__ import annotations

import collections
import typing as t

if t.TYPE_CHECKING:
    from tests.faults.stories.judge import Verdict

#: Counts shown in every report, even if 0.
ALWAYS_SHOWN = (
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
    """Adds up verdicts.

    Args:
        title: What was played.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.counts: collections.Counter[str] = collections.Counter()
        self.failures: list[str] = []
        self.wrong_units = collections.Counter({"oversold units": 0, "undersold at rest": 0})

    def add(self, verdict: Verdict) -> None:
        """Add a schedule's verdict."""
        self.counts += verdict.counts
        self.failures += verdict.failures
        self.wrong_units["oversold units"] += sum(wrong.units for wrong in verdict.oversold)
        self.wrong_units["undersold at rest"] += sum(wrong.units for wrong in verdict.undersold_at_rest)

    def add_content(self, content: dict[str, t.Any]) -> None:
        """Add the content of another report with the same title."""
        self.counts.update(content["counts"])
        self.wrong_units.update(content["wrong units"])
        self.failures += content["failures"]

    def content(self) -> dict[str, t.Any]:
        """Return the report as plain values."""
        return {
            "title": self.title,
            "counts": dict(self.counts),
            "wrong units": dict(self.wrong_units),
            "failures": self.failures,
        }

    def rows(self) -> dict[str, int]:
        """Return the counts in the order they are shown."""
        others = {name: count for name, count in sorted(self.counts.items()) if name not in ALWAYS_SHOWN}
        shown = {name: self.counts[name] for name in ALWAYS_SHOWN} | others
        return shown | self.wrong_units

    def table(self) -> str:
        """Return the report as a text table."""
        width = max(map(len, self.rows()))
        return "\n".join([self.title, *(f"  {name:<{width}}  {count:>8,}" for name, count in self.rows().items())])

    def content_shown(self) -> dict[str, t.Any]:
        """Return the report as it is kept in a file."""
        return {"title": self.title, **self.rows(), "failures": self.failures}
