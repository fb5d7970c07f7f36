"""One listing of a prefix, in the order of names. However many files it has, it takes little memory."""

from __future__ import annotations

import json
import sqlite3
import typing as t

from tap_newstore_fulfillment.errors import ExportFilesError
from tap_newstore_fulfillment.export_files.prefix import ExportFile

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: In the order of an ExportFile's fields.
TABLE = """
CREATE TABLE listed (name TEXT PRIMARY KEY, version TEXT, modified_at INTEGER, size INTEGER, has_changed INTEGER)
WITHOUT ROWID
"""
NAMED = "SELECT name, version FROM listed WHERE name IN (SELECT value FROM json_each(?))"


class Listing:
    """Files as a store has listed them; the caller closes it.

    Args:
        files: The whole listing, in any order.

    Attributes:
        count: How many there are.
        newest: `modified_at` of the newest; None: the store does not say.

    Raises:
        TapError: what `files` raises, or there is no room for the listing.
    """

    def __init__(self, files: Iterable[ExportFile]) -> None:
        # Without a name the database is SQLite's own: in memory while it is small, then in a temporary file.
        self._database = sqlite3.connect("")
        try:
            self._fill(files)
        except BaseException:
            self.close()
            raise
        self.count, self.newest = self._one("SELECT count(*), max(modified_at) FROM listed")

    def _fill(self, files: Iterable[ExportFile]) -> None:
        self._database.execute(TABLE)
        try:
            self._database.executemany("INSERT OR REPLACE INTO listed VALUES (?, ?, ?, ?, ?)", files)
        except sqlite3.OperationalError as error:
            raise ExportFilesError(
                f"export_files_url: no room for the listing in the temporary directory ({error}); "
                "make some, or set TMPDIR to another directory"
            ) from error

    def close(self) -> None:
        """Remove it."""
        self._database.close()

    def take_out(self, read: Sequence[tuple[str, str]]) -> list[str]:
        """Take out the files that have been read as they are, and mark those that have changed since.

        Args:
            read: Names and versions of files that have been read.

        Returns:
            Those of the names that are not listed.
        """
        listed: dict[str, str] = dict(self._database.execute(NAMED, (json.dumps([name for name, _ in read]),)))
        same = [(name,) for name, version in read if listed.get(name) == version]
        changed = [(name,) for name, version in read if name in listed and listed[name] != version]
        self._database.executemany("DELETE FROM listed WHERE name = ?", same)
        self._database.executemany("UPDATE listed SET has_changed = 1 WHERE name = ?", changed)
        return [name for name, _ in read if name not in listed]

    def unread(self) -> Iterator[ExportFile]:
        """Yield the files that have not been taken out, in the order of their names."""
        for row in self._database.execute("SELECT * FROM listed ORDER BY name"):
            yield ExportFile(*row)

    def _one(self, query: str) -> tuple[t.Any, ...]:
        return t.cast("tuple[t.Any, ...]", self._database.execute(query).fetchone())
