"""Which export files have been read into the landing store.

They are noted beside the events, not in the Singer state: the notes go where the events go, and
the state stays small. A file that has gone from its prefix is forgotten.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.tables import export_file
from tap_newstore_fulfillment.masking import masked

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_newstore_fulfillment.export_files.listing import Listing
    from tap_newstore_fulfillment.export_files.prefix import ExportFile
    from tap_newstore_fulfillment.landing.store import LandingStore

ROWS_AT_ONCE = 5_000


class ReadFiles:
    """The files of one prefix that have been read.

    Args:
        store: Where their events are.
        prefix: The prefix's address.
        shown: It without secrets, as which it is noted; None: it has none.
    """

    def __init__(self, store: LandingStore, prefix: str, shown: str | None = None) -> None:
        self._store = store
        self._prefix = shown or prefix
        with store.transaction() as connection:
            export_file.create(connection, checkfirst=True)
            if self._prefix != prefix:
                self._hide_secrets(connection)

    def compare(self, listing: Listing) -> None:
        """Take out of a listing what has been read; forget what is not listed any more.

        A name may be new although it sorts before files read long ago.
        """
        file, last = export_file.c, ""
        query = sa.select(file.name, file.version).where(file.prefix == self._prefix).order_by(file.name)
        while True:
            with self._store.transaction() as connection:
                rows = connection.execute(query.where(file.name > last).limit(ROWS_AT_ONCE)).all()
                if not rows:
                    return
                last = rows[-1].name
                self._delete(connection, listing.take_out([(row.name, row.version) for row in rows]))

    def add(self, files: Sequence[ExportFile], forget: Callable[[sa.Connection, Sequence[ExportFile]], None]) -> None:
        """Note files as read; their events must be durable already.

        Args:
            files: Read to their ends.
            forget: Drops what earlier readings of them had left, in the same transaction.

        Raises:
            StoreUnavailableError: nothing was noted.
        """
        rows = [{"prefix": self._prefix, "name": file.name, "version": file.version} for file in files]
        if rows:
            with self._store.transaction() as connection:
                self._delete(connection, [file.name for file in files])
                connection.execute(export_file.insert(), rows)
                forget(connection, files)

    def _hide_secrets(self, connection: sa.Connection) -> None:
        """Give the notes of earlier versions, which kept the whole address, or that of another password, this name."""
        file, others = export_file.c, sa.select(export_file.c.prefix).distinct()
        for other in connection.scalars(others.where(file.prefix != self._prefix)).all():
            if masked(other) == self._prefix:
                known = sa.select(file.name).where(file.prefix == self._prefix)
                of_it = file.prefix == other
                connection.execute(export_file.delete().where(of_it, file.name.in_(known)))
                connection.execute(export_file.update().where(of_it).values(prefix=self._prefix))

    def _delete(self, connection: sa.Connection, names: Sequence[str]) -> None:
        if names:
            one = sa.and_(export_file.c.prefix == self._prefix, export_file.c.name == sa.bindparam("gone"))
            connection.execute(export_file.delete().where(one), [{"gone": name} for name in names])
