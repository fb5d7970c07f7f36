"""Lines of export files that are no events: in the landing store's quarantine, where they make holes (design rule 18).

They are noted in the reject file as well. When a file changes and is read again, its new lines take the place of
its old ones, and not before the whole of it has been read: until then what was refused in it may be gone for good.
"""

from __future__ import annotations

import typing as t

from tap_newstore_fulfillment.landing.quarantine import KEPT_OF_A_LONG_BODY, LONGEST_BODY, new_row
from tap_newstore_fulfillment.masking import masked

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import sqlalchemy as sa

    from tap_newstore_fulfillment.export_files.prefix import ExportFile, ExportPrefix
    from tap_newstore_fulfillment.export_files.reject_file import RejectFile
    from tap_newstore_fulfillment.landing.store import LandingStore

MOST_WAITING = 500
#: How the address of a directory on this host begins.
LOCAL = "file://"
MOST_BYTES_WAITING = 16 * 2**20


def shown_path(path: str) -> str:
    """Return the path of an entry of the quarantine without what may be a secret.

    Earlier versions kept the whole address of an export file: user and password, or a query with a signature, behind
    which its name stands.
    """
    if path.startswith((LOCAL, "/")):
        return path
    shown, name = masked(path), path.rpartition("/")[2]
    return shown if shown.endswith(f"/{name}") or masked(name) != name else f"{shown}/{name}"


class RefusedLines:
    """Collects the refused lines of one pass over a prefix.

    Args:
        store: Whose quarantine takes them.
        prefix: Where the files are. The path of an entry is as it may be shown.
        rejects: The reject file.
        received_at: Epoch milliseconds of the pass.
    """

    def __init__(self, store: LandingStore, prefix: ExportPrefix, rejects: RejectFile, received_at: int) -> None:
        self._quarantine = store.quarantine
        self._prefix = prefix
        self._rejects = rejects
        self._received_at = received_at
        self._rows: list[dict[str, t.Any]] = []
        self._bytes = 0
        # Also of files that were never noted as read: a tap that was killed may have left their lines behind.
        self._earlier = self._quarantine.lines()
        if hidden := dict(self._hidden()):
            self._earlier = self._quarantine.rename_lines(hidden)

    def forget(self, connection: sa.Connection, files: Iterable[ExportFile]) -> None:
        """Drop what earlier passes left of files that this one has read to their ends; the caller commits."""
        paths = [path for file in files if (path := self._path(file.name)) in self._earlier.paths]
        if paths:
            self._quarantine.forget_lines(connection, paths, self._earlier.last)

    def add(self, file: str, line: int, reason: str, raw: bytes) -> None:
        """Keep a line.

        Raises:
            StoreUnavailableError: lines could not be kept; the file must not count as read.
        """
        self._rejects.add(file, line, reason, raw if len(raw) <= LONGEST_BODY else raw[:KEPT_OF_A_LONG_BODY])
        row = new_row(raw, path=self._path(file), line=line, reason=reason, received_at=self._received_at)
        self._rows.append(row)
        self._bytes += len(raw)
        if len(self._rows) >= MOST_WAITING or self._bytes >= MOST_BYTES_WAITING:
            self.flush()

    def flush(self) -> None:
        """Make the lines durable.

        Raises:
            StoreUnavailableError: they are not.
        """
        if self._rows:
            self._quarantine.add_rows(self._rows)
            self._rows, self._bytes = [], 0

    def _path(self, file: str) -> str:
        return f"{self._prefix.shown}/{file}"

    def _hidden(self) -> Iterator[tuple[str, str]]:
        """Yield the paths of earlier versions that hold secrets, such as those of then, and what they are now."""
        for path in self._earlier.paths:
            is_known = path.startswith(f"{self._prefix.address}/")
            now = self._path(path[len(self._prefix.address) + 1 :]) if is_known else shown_path(path)
            if not path.startswith(self._path("")) and now.startswith(self._path("")):
                yield path, now
