"""The judge: NewStore's numbers beside the true shelf, after every import and at rest.

After an import no key may promise more than is free, as far as the ERP knew when the run read it: a
stock-take that came later cannot be in the numbers. Only an event later than the promised 15 minutes
excuses more, and only as long as nothing could know better: until a run that knows the event has sent the
key, or, when the ERP's row wrongly claims to contain it, until the row is written again. That is counted apart.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from tests.faults.stories.schedules import Key
    from tests.faults.stories.truth import Truth


@dataclasses.dataclass(frozen=True)
class Basis:
    """What a run could know when it planned its cuts.

    Attributes:
        levels: Per key, what the ERP's row had been computed from.
        overdue: Completions that had not arrived although they were promised to.
        claimed: Per key, late completions the ERP's row wrongly claims to contain, and no earlier run of the
            mapper had passed: it cannot know that they are late.
    """

    levels: Mapping[Key, int]
    overdue: frozenset[str]
    claimed: Mapping[Key, frozenset[str]]


@dataclasses.dataclass(frozen=True)
class Wrong:
    """A number that must not be.

    Attributes:
        units: How many too many (oversold) or too few.
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
            f"NewStore promises {self.newstore}, free are {self.free}{self.detail}"
        )


@dataclasses.dataclass
class Verdict:
    """What became of one schedule."""

    seed: int
    oversold: list[Wrong] = dataclasses.field(default_factory=list)
    undersold_at_rest: list[Wrong] = dataclasses.field(default_factory=list)
    not_applied_once: list[str] = dataclasses.field(default_factory=list)
    counts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    @property
    def failures(self) -> list[str]:
        """Everything that is wrong, each in one line."""
        return [*map(str, self.oversold), *map(str, self.undersold_at_rest), *self.not_applied_once]


class Judge:
    """Watches one schedule.

    Args:
        truth: The shelf.
        verdict: What is written down.
        atp: Gives what NewStore promises of a key.
    """

    def __init__(self, truth: Truth, verdict: Verdict, atp: Callable[[Key], int | None]) -> None:
        self._truth = truth
        self._verdict = verdict
        self._atp = atp
        self._levels = dict(truth.level)
        #: Overdue completions a range has covered, by the keys that have not been sent since.
        self._excused: dict[Key, set[str]] = collections.defaultdict(set)
        self._claimed: dict[Key, frozenset[str]] = {}

    def after_import(
        self, step: int, keys: Collection[Key], covered: tuple[int, int] | None, basis: Basis, detail: str
    ) -> None:
        """Judge every key after an import.

        Args:
            step: Of the schedule.
            keys: In the file.
            covered: The declared range.
            basis: What its run knew.
            detail: Shown with what is wrong.
        """
        self.take_levels(keys, basis)
        for key in keys:
            self._excused[key] &= basis.overdue
            self._claimed[key] = basis.claimed.get(key, frozenset())
        self._excuse(covered, basis)
        for key in self._truth.shelf:
            self._judge(step, key, detail)

    def take_levels(self, keys: Collection[Key], basis: Basis) -> None:
        """Remember what the numbers of an import were computed from."""
        for key in keys:
            self._levels[key] = basis.levels[key]

    def unknown_losses(self, key: Key) -> int:
        """Give the units lost since NewStore's number of a key was computed."""
        return max(self._levels[key] - self._truth.level[key], 0)

    def at_rest(self, step: int) -> None:
        """Judge every key when everything is known: equal, to the unit."""
        for key in self._truth.shelf:
            atp, free = self._atp(key), self._truth.free(key)
            if atp is None or atp < free:
                wrong = Wrong(self._verdict.seed, step, "undersold at rest", key, atp, free, free - (atp or 0))
                self._verdict.undersold_at_rest.append(wrong)
            elif atp > free:
                wrong = Wrong(self._verdict.seed, step, "oversold at rest", key, atp, free, atp - free)
                self._verdict.oversold.append(wrong)

    def events(self, kept: Mapping[str, Mapping[Key, int]]) -> None:
        """Compare the ledger's units, by event, with those that were answered 200."""
        for event, done in self._truth.completions.items():
            if done.arrived is not None and kept.get(event) != done.units:
                line = f"seed {self._verdict.seed}: event {event} moved {kept.get(event)}, its units are {done.units}"
                self._verdict.not_applied_once.append(line)
        for event in kept.keys() - self._truth.completions.keys():
            self._verdict.not_applied_once.append(f"seed {self._verdict.seed}: event {event} is none of NewStore's")

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
