"""The import report: a line of JSON for each import, in the file `report_path`."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import logging
import typing as t
from pathlib import Path

from target_newstore_stock.errors import ConfigurationError, LocationError, RecordError

if t.TYPE_CHECKING:
    from target_newstore_stock.errors import TargetError
    from target_newstore_stock.staged_names import StagedName

logger = logging.getLogger("target-newstore-stock")


@dataclasses.dataclass
class ImportOutcome:
    """What became of an import; filled in as the import goes on.

    Attributes:
        items: How many items the file has.
        left_out: How many it does not have because NewStore cannot have their key, or does not know their location.
        refused: How many NewStore refused.
    """

    name: StagedName
    items: int
    bytes: int
    begun: float
    file: str
    import_id: str | None = None
    left_out: int = 0
    refused: int = 0

    def row(self, outcome: str, seconds: float, **more: t.Any) -> dict[str, t.Any]:
        """Return the line of the report, as a dict."""
        cut = self.name.cut
        start, end = cut.range or (None, None)
        return {
            "event": "import",
            "outcome": outcome,
            "cut_id": cut.cut_id,
            "logical_timestamp_start": start,
            "logical_timestamp_end": end,
            "items": self.items,
            "bytes": self.bytes,
            "left_out": self.left_out,
            "refused": self.refused,
            "file": self.file,
            "import_id": self.import_id,
            "seconds": round(seconds, 3),
            **more,
        }


def outcome_of(error: TargetError) -> str:
    """Return what became of an import that did not happen: `refused` by this target before staging, or `failed`."""
    return "refused" if isinstance(error, (RecordError, LocationError)) else "failed"


class ImportReport:
    """Appends a line of JSON for each import to the file `report_path`.

    Args:
        path: The setting `report_path`; None writes no report.

    Raises:
        ConfigurationError: the file cannot be written.
    """

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None
        if self._path:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.open("a").close()
            except OSError as error:
                raise ConfigurationError(
                    f"report_path: cannot write {path}: {error.strerror or error}",
                    to_do="Correct the path, or the rights of its directory",
                ) from error

    def write(self, row: dict[str, t.Any]) -> None:
        """Append a line. A failure is only logged: the import has happened."""
        if not self._path:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"at": f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%dT%H:%M:%SZ}", **row}) + "\n")
        except OSError as error:
            logger.warning("report_path: cannot write %s: %s", self._path, error)
