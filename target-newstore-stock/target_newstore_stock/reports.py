"""What a run reports: a line per import, a file for machines, and a summary at the end."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import logging
import signal
import time
import typing as t
from pathlib import Path

from target_newstore_stock.errors import ConfigurationError, TargetError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_newstore_stock.staged_names import StagedName

logger = logging.getLogger("target-newstore-stock")


@dataclasses.dataclass
class Made:
    """What became of one file: a row of the report."""

    name: StagedName
    items: int
    bytes: int
    begun: float
    file: str
    import_id: str | None = None

    def row(self, outcome: str, seconds: float, **more: t.Any) -> dict[str, t.Any]:
        """Give the row of the report."""
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
            "file": self.file,
            "import_id": self.import_id,
            "seconds": round(seconds, 3),
            **more,
        }


class ImportReport:
    """Appends a line of JSON for each import to the file `report_path`.

    Args:
        path: The setting; None reports nothing.

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
                raise ConfigurationError(f"report_path: cannot write {path}: {error.strerror or error}") from error

    def write(self, row: dict[str, t.Any]) -> None:
        """Append a line; that it cannot be written is only warned of, because the import has happened."""
        if not self._path:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"at": f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%dT%H:%M:%SZ}", **row}) + "\n")
        except OSError as error:
            logger.warning("report_path: cannot write %s: %s", self._path, error)


class RunSummary:
    """Counts what a run imports, and says it in one line when the run ends.

    Args:
        clock: Gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self.imports = self.items = self.bytes = 0
        self.is_said = False

    def count(self, items: int, json_bytes: int) -> None:
        """Count a finished import."""
        self.imports += 1
        self.items += items
        self.bytes += json_bytes

    @contextlib.contextmanager
    def ending(self, *, is_last_step: bool) -> Iterator[None]:
        """Say the summary when this block fails, or when it is the last one of the run."""
        try:
            yield
        except SystemExit as end:
            self._say(end.code if isinstance(end.code, int) else 1, _signal_name(end.code))
            raise
        except TargetError as error:
            self._say(error.exit_code, str(error))
            raise
        except Exception as error:
            self._say(1, " ".join(str(error).split()) or type(error).__name__)
            raise
        if is_last_step:
            self._say(0, "done")

    def _say(self, exit_code: int, reason: str) -> None:
        if self.is_said:
            return
        self.is_said = True
        row = {
            "event": "run_summary",
            "plugin": "target-newstore-stock",
            "imports": self.imports,
            "items": self.items,
            "bytes": self.bytes,
            "seconds": round(self._clock() - self._begun, 3),
            "exit_code": exit_code,
            "reason": reason,
        }
        logger.info("%s", json.dumps(row))


def _signal_name(code: object) -> str:
    known = {128 + number.value: number.name for number in signal.Signals}
    return known.get(code, f"exit {code}") if isinstance(code, int) else str(code)
