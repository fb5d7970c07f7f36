"""Tells from the staging place whether another run has overtaken this one (design rule 9).

A run may stand still anywhere, on a machine that sees nothing of the others, while a newer run imports its numbers. So
each run claims the cut it is about to import before it makes any other call, and looks for claims of higher cuts of
the same ledger before it creates its job and again before it starts it. The newer run claims before it looks for
earlier jobs: of two runs at once, either the older one sees the newer one's claim, or the newer one finds the older
one's job and waits for it.
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


class CutsOf(msgspec.Struct, frozen=True):
    """Where cuts come from.

    Attributes:
        ledger: The id of the ledger that numbers them, hexadecimal.
        planned_at: When they were planned.
    """

    ledger: t.Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]+\Z")]
    planned_at: t.Annotated[dt.datetime, msgspec.Meta(tz=True)]

    @classmethod
    def of_schema(cls, schema: Mapping[str, t.Any]) -> t.Self | None:
        """Return what a SCHEMA says; None: it is of another mapper."""
        try:
            return msgspec.convert(schema.get(CUTS_OF), cls)
        except msgspec.ValidationError:
            return None


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

    def claim(self, name: StagedName) -> None:
        """Say which cut is imported next, and look for others; nothing else has been done for it.

        Raises:
            SecondRunError: another run has overtaken this one.
            StagingError: the claim could not be written, or others not seen.
        """
        self._mine = self._claim_of(name)
        if self._mine:
            self._staging.note(self._mine.file(self._own.owner))
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

    def _claim_of(self, name: StagedName) -> Claim | None:
        number = name.cut.cut_id or ""
        if self._cuts_of is None or not number.isdecimal():
            return None
        return Claim(name.now, self._cuts_of.ledger, int(number), name.unique)

    def _refuse(self, names: Collection[str]) -> None:
        known = self._known or set()
        claims = {name: claim for name in names if (claim := self._of_same_ledger(name))}
        for name, claim in claims.items():
            if self._overtakes(claim, is_new=name not in known):
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

    def _overtakes(self, other: Claim, *, is_new: bool) -> bool:
        """Return whether a claim is of a newer run of the same ledger."""
        if self._mine is None or self._cuts_of is None:
            return False
        return other.cut > self._mine.cut and (is_new or other.at > self._cuts_of.planned_at - CLOCKS_DIFFER)
