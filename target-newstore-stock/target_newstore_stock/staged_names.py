"""Names of staged files. They sort by time, and tell cut, range and owner."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t

if t.TYPE_CHECKING:
    from target_newstore_stock.records import CutHead

TIME = "%Y%m%dT%H%M%S.%fZ"
ZIP, NOTE = ".zip", ".job"
DRY = "dry-run"


def utc_now() -> dt.datetime:
    """Return the time of day, in UTC."""
    return dt.datetime.now(tz=dt.UTC)


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


class OwnNames:
    """Tells the files of a provider and tenant from all other files in the staging place.

    Args:
        provider: The setting.
        tenant: The setting.
    """

    def __init__(self, provider: str, tenant: str) -> None:
        self.owner = f"{_slug(provider)}-{_slug(tenant)}"
        self._pattern = re.compile(
            rf"{re.escape(self.owner)}-(?P<at>\d{{8}}T\d{{6}}\.\d{{6}}Z)-.+-[0-9a-f]{{12}}(?P<kind>\{ZIP}|\{NOTE})"
        )

    def written_at(self, name: str) -> dt.datetime | None:
        """Return when a file of ours was written; None for any other file."""
        found = self._pattern.fullmatch(name)
        return dt.datetime.strptime(found["at"], TIME).replace(tzinfo=dt.UTC) if found else None

    def is_note(self, name: str) -> bool:
        """Return whether this is the note of one of our jobs."""
        found = self._pattern.fullmatch(name)
        return found is not None and found["kind"] == NOTE

    def is_earlier_file(self, name: str) -> bool:
        """Return whether this is a stock file of ours that was made to be imported, not by a dry run."""
        found = self._pattern.fullmatch(name)
        return found is not None and found["kind"] == ZIP and f"Z-{DRY}-" not in name


def _slug(text: str) -> str:
    """Return a text with only the characters that are safe in every file system and URL."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:80]
