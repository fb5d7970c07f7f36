"""The judge: compares NewStore's numbers with the true shelf, after every import and at rest.

After an import, NewStore may promise of each key no more than is free, as far as the ERP knew when the run read
it: a later stock-take cannot be in the numbers. Only an event later than the promised 15 minutes excuses more, and
only as long as nobody could know better: until a run that knows the event has sent the key, or, if the ERP's row
wrongly claims to contain the event, until the row is written again. Excused units are counted separately.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from tests.faults.stories.world import FOLDED

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from tests.faults.stories.steps import Key
    from tests.faults.stories.truth import Truth


@dataclasses.dataclass(frozen=True)
class Basis:
    """What a run could know when it planned its cuts.

    Attributes:
        levels: Per key, the level the ERP's row was computed from.
        overdue: Completions that should have arrived by then but had not.
        claimed: Per key, late completions that the ERP's row wrongly claims to contain and that the mapper
            cannot know to be late, because no earlier run had passed them.
    """

    levels: Mapping[Key, int]
    overdue: frozenset[str]
    claimed: Mapping[Key, frozenset[str]]


@dataclasses.dataclass(frozen=True)
class Wrong:
    """A wrong number.

    Attributes:
        units: How many units too many (oversold) or too few.
    """

    seed: int
    step: int
    what: str
    key: Key
    newstore: int | None
    free: int
    units: int
    detail: str = ""

    def __str__(self) -> str:
        return (
            f"seed {self.seed}, step {self.step}: {self.what} {self.key[0]}/{self.key[1]} by {self.units}: "
            f"NewStore promises {self.newstore}, {self.free} are free{self.detail}"
        )


@dataclasses.dataclass
class Verdict:
    """The findings and counts of one schedule."""

    seed: int
    oversold: list[Wrong] = dataclasses.field(default_factory=list)
    undersold_at_rest: list[Wrong] = dataclasses.field(default_factory=list)
    not_applied_once: list[str] = dataclasses.field(default_factory=list)
    counts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    @property
    def failures(self) -> list[str]:
        """All findings, one line each."""
        return [*map(str, self.oversold), *map(str, self.undersold_at_rest), *self.not_applied_once]


class Judge:
    """Judges one schedule.

    Args:
        truth: The shelf.
        verdict: Where findings are recorded.
        atp: Returns what NewStore promises of a key.
    """

    def __init__(self, truth: Truth, verdict: Verdict, atp: Callable[[Key], int | None]) -> None:
        self._truth = truth
        self._verdict = verdict
        self._atp = atp
        self._levels = dict(truth.level)
        #: Per key not sent since: overdue completions that a range has covered.
        self._excused: dict[Key, set[str]] = collections.defaultdict(set)
        self._claimed: dict[Key, frozenset[str]] = {}

    def after_import(
        self, step: int, keys: Collection[Key], covered: tuple[int, int] | None, basis: Basis, detail: str
    ) -> None:
        """Judge every key after an import.

        Args:
            step: Number of the schedule's step.
            keys: Keys in the file.
            covered: The declared range.
            basis: What its run knew.
            detail: Shown with a finding.
        """
        self.take_levels(keys, basis)
        for key in keys:
            self._excused[key] &= basis.overdue
            self._claimed[key] = basis.claimed.get(key, frozenset())
        self._excuse(covered, basis)
        for key in self._truth.shelf:
            self._judge(step, key, detail)

    def take_levels(self, keys: Collection[Key], basis: Basis) -> None:
        """Record the levels that an import's numbers were computed from."""
        for key in keys:
            self._levels[key] = basis.levels[key]

    def unknown_losses(self, key: Key) -> int:
        """Return the units lost since NewStore's number of a key was computed."""
        return max(self._levels[key] - self._truth.level[key], 0)

    def at_rest(self, step: int) -> None:
        """Judge every key once everything is known: the numbers must be equal, to the unit."""
        for key in self._truth.shelf:
            atp, free = self._atp(key), self._truth.free(key)
            if atp is None or atp < free:
                wrong = Wrong(self._verdict.seed, step, "undersold at rest", key, atp, free, free - (atp or 0))
                self._verdict.undersold_at_rest.append(wrong)
            elif atp > free:
                wrong = Wrong(self._verdict.seed, step, "oversold at rest", key, atp, free, atp - free)
                self._verdict.oversold.append(wrong)

    def events(self, kept: Mapping[str, Mapping[Key, int]]) -> None:
        """Compare the ledger's units, by event, with the events that were answered 200."""
        folded: collections.Counter[Key] = collections.Counter()
        for event, done in self._truth.completions.items():
            if done.arrived is None:
                continue
            there = kept.get(event, {})
            folded.update({key: units for key, units in done.units.items() if key not in there})
            if any(done.units.get(key) != units for key, units in there.items()):
                self._find(f"event {event} moved {there}, its units are {done.units}")
        if dict(folded) != kept.get(FOLDED, {}):
            self._find(f"{kept.get(FOLDED)} are folded away, {dict(folded)} are not kept")
        for event in kept.keys() - self._truth.completions.keys() - {FOLDED}:
            self._find(f"event {event} is none of NewStore's")

    def _find(self, what: str) -> None:
        self._verdict.not_applied_once.append(f"seed {self._verdict.seed}: {what}")

    def _excuse(self, covered: tuple[int, int] | None, basis: Basis) -> None:
        for event in basis.overdue:
            done = self._truth.completions[event]
            if covered and covered[0] <= done.at <= covered[1]:
                for key in done.units:
                    self._excused[key].add(event)

    def _judge(self, step: int, key: Key, detail: str) -> None:
        atp = self._atp(key)
        if atp is None:
            return
        truth = self._truth
        known = max(self._levels[key] - truth.shipped[key], 0) - truth.open[key]
        excused = self._excused[key] | self._claimed.get(key, frozenset())
        late = sum(truth.completions[event].units.get(key, 0) for event in excused)
        if atp > known + late:
            wrong = Wrong(self._verdict.seed, step, "oversold", key, atp, known, atp - known, detail)
            self._verdict.oversold.append(wrong)
        elif atp > known:
            self._verdict.counts["oversold by late events"] += atp - known
