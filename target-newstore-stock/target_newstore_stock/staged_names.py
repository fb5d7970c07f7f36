"""Names of staged files. They sort by time, and tell cut, range and owner."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import time
import typing as t

if t.TYPE_CHECKING:
    from target_newstore_stock.records import CutHead

TIME = "%Y%m%dT%H%M%S.%fZ"
ZIP, NOTE, CLAIM = ".zip", ".job", ".claim"
DRY = "dry-run"


def utc_now() -> dt.datetime:
    """Return the time of day, in UTC."""
    return dt.datetime.fromtimestamp(time.time_ns() / 1_000_000_000, tz=dt.UTC)


@dataclasses.dataclass(frozen=True)
class StagedName:
    """The name of an import, from which its file and its job are named.

    Attributes:
        now: When the import began; UTC.
        cut: The cut it imports.
        unique: Twelve hexadecimal digits that are used once.
    """

    now: dt.datetime
    cut: CutHead
    unique: str

    @property
    def label(self) -> str:
        """Cut and range, for people."""
        text = "plain" if self.cut.cut_id is None else f"cut {self.cut.cut_id}"
        return f"{text} range {self.cut.range[0]}-{self.cut.range[1]}" if self.cut.range else f"{text} no range"

    @property
    def job(self) -> str:
        """The job's name, without NAME_PREFIX."""
        return f"{self.now:%Y%m%dT%H%M%SZ} {self.label} {self.unique}"

    def file(self, owner: str, *, is_dry_run: bool = False) -> str:
        """Return the file name, without its suffix."""
        kind = f"{DRY}-" if is_dry_run else ""
        return f"{owner}-{self.now.strftime(TIME)}-{kind}{_slug(self.label)}-{self.unique}"


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a run says before it does anything else: which cut of which ledger it is about to import.

    Attributes:
        at: When it said so; UTC.
        ledger: The mapper's ledger.
        cut: The cut's number; a run that planned later has higher ones.
        unique: As in the name of the stock file.
    """

    at: dt.datetime
    ledger: str
    cut: int
    unique: str

    def file(self, owner: str) -> str:
        """Return the file name."""
        return f"{owner}-{self.at.strftime(TIME)}-claim-{self.ledger}-{self.cut}-{self.unique}{CLAIM}"


class OwnNames:
    """Tells the files of a provider and tenant from all other files in the staging place.

    Args:
        provider: The setting.
        tenant: The setting.
    """

    def __init__(self, provider: str, tenant: str) -> None:
        self.owner = f"{_slug(provider)}-{_slug(tenant)}"
        self._pattern = re.compile(
            rf"{re.escape(self.owner)}-(?P<at>[0-9]{{8}}T[0-9]{{6}}\.[0-9]{{6}}Z)-.+-[0-9a-f]{{12}}(?P<kind>\{ZIP}|\{NOTE}|\{CLAIM})"
        )
        self._claim = re.compile(
            rf"{re.escape(self.owner)}-(?P<at>[0-9]{{8}}T[0-9]{{6}}\.[0-9]{{6}}Z)-claim-(?P<ledger>[0-9a-f]+)-(?P<cut>[0-9]{{1,19}})"
            rf"-(?P<unique>[0-9a-f]{{12}})\{CLAIM}"
        )

    def written_at(self, name: str) -> dt.datetime | None:
        """Return when a file of ours was written; None for any other file."""
        found = self._pattern.fullmatch(name)
        return _time(found["at"]) if found else None

    def claim(self, name: str) -> Claim | None:
        """Return the claim that a file of ours is; None for any other file."""
        found = self._claim.fullmatch(name)
        at = _time(found["at"]) if found else None
        return Claim(at, found["ledger"], int(found["cut"]), found["unique"]) if found and at else None

    def unique(self, name: str) -> str:
        """Return the part of the name of a file of ours that is used once."""
        return name.rpartition(".")[0][-12:]

    def is_note(self, name: str) -> bool:
        """Return whether this is the note of one of our jobs."""
        found = self._pattern.fullmatch(name)
        return found is not None and found["kind"] == NOTE

    def is_earlier_file(self, name: str) -> bool:
        """Return whether this is a stock file of ours that was made to be imported, not by a dry run."""
        found = self._pattern.fullmatch(name)
        return found is not None and found["kind"] == ZIP and f"Z-{DRY}-" not in name


def _time(text: str) -> dt.datetime | None:
    """Return the time in a name; None for one that never was: then nobody of ours has written the name."""
    try:
        return dt.datetime.strptime(text, TIME).replace(tzinfo=dt.UTC)
    except ValueError:
        return None


def _slug(text: str) -> str:
    """Return a text with only the characters that are safe in every file system and URL."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:80]
