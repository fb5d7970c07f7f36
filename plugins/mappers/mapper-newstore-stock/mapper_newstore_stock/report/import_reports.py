"""Reads what the target says of its imports: the file `report_path`, a line of JSON for each."""

from __future__ import annotations

import datetime as dt
import typing as t
from pathlib import Path

import msgspec

from mapper_newstore_stock.errors import FileError

if t.TYPE_CHECKING:
    import sqlalchemy as sa

#: Only the end of a file that grows for years is read.
READ_BYTES = 4_000_000
FINISHED = "finished"


class ImportReport(msgspec.Struct, frozen=True):
    """What became of an import; `at` is when it ended, ISO 8601 in UTC."""

    at: str
    outcome: str
    cut_id: str
    logical_timestamp_start: int | None = None
    logical_timestamp_end: int | None = None
    items: int = 0
    left_out: int = 0
    refused: int = 0
    seconds: float = 0.0
    error: str | None = None

    def is_of(self, cut: sa.Row[t.Any]) -> bool:
        """Return whether it speaks of a cut of the ledger; a restored ledger gives numbers again."""
        planned = (cut.logical_timestamp_start, cut.logical_timestamp_end)
        return (self.logical_timestamp_start, self.logical_timestamp_end) == planned


def read_imports(path: str) -> list[ImportReport]:
    """Return the last imports, the oldest first; lines of other programs are passed over.

    Raises:
        LedgerError: the file cannot be read.
    """
    decoder = msgspec.json.Decoder(ImportReport)
    found = []
    for line in last_lines(path, "--report-path"):
        try:
            report = decoder.decode(line)
            dt.datetime.fromisoformat(report.at)
        except (msgspec.MsgspecError, ValueError):
            continue
        found.append(report)
    return found


def last_lines(path: str, option: str) -> list[bytes]:
    """Return the whole lines at the end of a file.

    Raises:
        LedgerError: the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - READ_BYTES))
            lines = file.read(READ_BYTES).split(b"\n")
    except OSError as error:
        raise FileError(
            f"{option}: cannot read {path}: {error.strerror or error}", "Correct the path, or let this user read it"
        ) from error
    return lines[1:] if size > READ_BYTES else lines
