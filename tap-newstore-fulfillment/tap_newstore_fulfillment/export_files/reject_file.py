"""Lines of export files that are not events: noted in the log, and kept whole in a file for a person."""

from __future__ import annotations

import base64
import json
import logging
import pathlib
import typing as t

from tap_newstore_fulfillment.address import address

if t.TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger("tap-newstore-fulfillment.export")

DEFAULT_NAME = "export_rejects.jsonl"
#: How many lines of one file are logged one by one.
LOGGED_PER_FILE = 10


def reject_path(settings: Mapping[str, t.Any]) -> pathlib.Path:
    """Return the reject file: as set, else beside a landing store on SQLite, else in the working directory."""
    if path := settings.get("export_rejects_path"):
        return pathlib.Path(path)
    url = address(settings["landing_url"])
    is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return (pathlib.Path(url.database or "").parent if is_file else pathlib.Path()) / DEFAULT_NAME


class RejectFile:
    """Appends one JSON object per rejected line: `file`, `line`, `reason`, and `raw` or `raw_base64`.

    Args:
        path: Created with the first line.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._file = ""
        self._logged = 0

    def add(self, file: str, line: int, reason: str, raw: bytes) -> None:
        """Keep a line. If that fails, the run goes on: the export file still has the line."""
        self._log(file, line, reason)
        row = {"file": file, "line": line, "reason": reason, **_readable(raw)}
        try:
            with self._path.open("a", encoding="utf-8") as rejects:
                rejects.write(json.dumps(row, ensure_ascii=False) + "\n")
        except OSError as error:
            logger.error("export_rejects_path: cannot write %s: %s", self._path, error.strerror)

    def _log(self, file: str, line: int, reason: str) -> None:
        self._logged = self._logged + 1 if file == self._file else 1
        self._file = file
        if self._logged <= LOGGED_PER_FILE:
            logger.warning("%s, line %d is not an event, kept in %s: %s", file, line, self._path, reason)
        elif self._logged == LOGGED_PER_FILE + 1:
            logger.warning("%s has more such lines; all are in %s", file, self._path)


def _readable(raw: bytes) -> dict[str, str]:
    try:
        return {"raw": raw.decode("utf-8")}
    except UnicodeDecodeError:
        return {"raw_base64": base64.b64encode(raw).decode("ascii")}
