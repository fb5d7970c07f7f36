"""Tells from the staging place whether another run has overtaken this one (design rule 9).

A run may stand still anywhere, on a machine that sees nothing of the others, while a newer run imports its numbers. So
each run claims the cut it is about to import before it makes any other call, and looks for claims of higher cuts of
the same ledger before it creates its job and again before it starts it. The newer run claims before it looks for
earlier jobs: of two runs at once, either the older one sees the newer one's claim, or the newer one finds the older
one's job and waits for it.

Which of two runs is newer, their ledger knows: a run says which ones it found there. Clocks are asked only where that
says nothing.
"""

from __future__ import annotations

import datetime as dt
import typing as t

import msgspec

from target_newstore_stock.errors import SecondRunError
from target_newstore_stock.staged_names import Claim

if t.TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_newstore_stock.staged_names import OwnNames, StagedName
    from target_newstore_stock.staging import Staging

#: In the SCHEMA of a stream of cuts; the mapper writes it.
CUTS_OF = "x-cuts-of"
#: How far the clocks of two machines may differ. A ledger restored from a backup uses numbers again: claims made before
#: it planned are none of a newer run.
CLOCKS_DIFFER = dt.timedelta(minutes=2)

RunId = t.Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]+\Z")]


class Line(msgspec.Struct, frozen=True):
    """Where a run stands among the runs of its ledger; a claim holds it, as JSON.

    Attributes:
        run: The run.
        runs_before: The last runs its ledger had seen before.
    """

    run: RunId
    runs_before: tuple[RunId, ...]


class CutsOf(msgspec.Struct, frozen=True):
    """Where cuts come from.

    Attributes:
        ledger: The id of the ledger that numbers them, hexadecimal.
        planned_at: When they were planned.
        run: The run of the ledger that planned them; None: an earlier mapper did not say.
        runs_before: The last runs the ledger had seen before.
    """

    ledger: RunId
    planned_at: t.Annotated[dt.datetime, msgspec.Meta(tz=True)]
    run: RunId | None = None
    runs_before: tuple[RunId, ...] = ()

    @classmethod
    def of_schema(cls, schema: Mapping[str, t.Any]) -> t.Self | None:
        """Return what a SCHEMA says; None: it is of another mapper."""
        try:
            return msgspec.convert(schema.get(CUTS_OF), cls)
        except msgspec.ValidationError:
            return None

    @property
    def line(self) -> Line | None:
        """Where the run stands among the runs of its ledger; None: nobody says."""
        return Line(self.run, self.runs_before) if self.run else None


class OtherRuns:
    """Tells whether another run has overtaken this one.

    Args:
        own: Tells our files from others.
        staging: Where claims and stock files are.
        cuts_of: Where the cuts of this run come from; None: nobody says, so any run that began later is newer.
    """

    def __init__(self, own: OwnNames, staging: Staging, cuts_of: CutsOf | None = None) -> None:
        self._own = own
        self._staging = staging
        self._cuts_of = cuts_of
        self._known: set[str] | None = None
        self._mine: Claim | None = None
        #: What claims said when they were read.
        self._lines: dict[str, Line] = {}

    def claim(self, name: StagedName) -> None:
        """Say which cut is imported next, and look for others; nothing else has been done for it.

        Raises:
            SecondRunError: another run has overtaken this one.
            StagingError: the claim could not be written, or others not seen.
        """
        self._mine = self._claim_of(name)
        if self._mine:
            self._write(self._mine)
        names = self._staging.listed()
        if self._known is None:
            self._known = set(names)
        self._refuse(names)

    def add_own(self, name: str) -> None:
        """Note a file of this run."""
        if self._known is not None:
            self._known.add(name)

    def refuse(self) -> None:
        """Look for another run.

        Raises:
            SecondRunError: it has overtaken this one.
            StagingError: that cannot be seen.
        """
        self._refuse(self._staging.listed())

    def _write(self, claim: Claim) -> None:
        file, line = claim.file(self._own.owner), self._cuts_of and self._cuts_of.line
        self._staging.note(file, msgspec.json.encode(line).decode() if line else "")
        if line:
            self._lines[file] = line

    def _claim_of(self, name: StagedName) -> Claim | None:
        number = name.cut.cut_id or ""
        if self._cuts_of is None or not number.isdecimal():
            return None
        return Claim(name.now, self._cuts_of.ledger, int(number), name.unique)

    def _refuse(self, names: Collection[str]) -> None:
        known = self._known or set()
        claims = {name: claim for name in names if (claim := self._of_same_ledger(name))}
        for name, claim in claims.items():
            if self._overtakes(name, claim, is_new=name not in known):
                raise SecondRunError(
                    f"another run has overtaken this one: it imports cut {claim.cut} of the same ledger, and this is "
                    f"cut {self._mine.cut if self._mine else 0}. Its numbers are newer, so this run imports nothing "
                    f"more; the next one goes on from what NewStore has"
                )
        # Of those with a claim it is known that they are older.
        older = {claim.unique for claim in claims.values()}
        others = [name for name in names if name not in known and self._own.is_earlier_file(name)]
        if others := sorted(name for name in others if self._own.unique(name) not in older):
            raise SecondRunError(
                f"another run has begun since: it has staged {others[0]}. Its numbers are newer, so this run "
                f"imports nothing more; the next one goes on from what NewStore has"
            )

    def _of_same_ledger(self, name: str) -> Claim | None:
        claim = self._own.claim(name)
        return claim if claim and self._mine and claim.ledger == self._mine.ledger else None

    def _overtakes(self, name: str, other: Claim, *, is_new: bool) -> bool:
        """Return whether a claim is of a newer run of the same ledger.

        Args:
            name: Its file.
            other: The claim.
            is_new: It was not there when this run claimed its first cut.
        """
        if self._mine is None or self._cuts_of is None:
            return False
        planned_at, mine = self._cuts_of.planned_at, self._cuts_of.line
        # Mostly number and time say the same, and the claim need not be read.
        if other.cut > self._mine.cut:
            if is_new or other.at > planned_at - CLOCKS_DIFFER:
                return True
            line = self._line_of(name)
            return mine is not None and line is not None and mine.run in line.runs_before
        # A run that a restored ledger lost may have claimed just before this one was planned.
        if not (is_new or other.at > planned_at):
            return False
        line = self._line_of(name)
        if mine is None or line is None or line.run in (mine.run, *mine.runs_before):
            return False
        # Of a run my ledger has not seen, but which has seen some that mine has: the ledger was restored to before my
        # run. Without any in common, it is of so long ago that neither names the other.
        return not set(line.runs_before).isdisjoint(mine.runs_before)

    def _line_of(self, name: str) -> Line | None:
        """Return what a claim says; None: nothing, or it is still being written."""
        if name not in self._lines:
            try:
                self._lines[name] = msgspec.json.decode(self._staging.look_into(name) or b"", type=Line)
            except msgspec.DecodeError:
                return None
        return self._lines[name]
