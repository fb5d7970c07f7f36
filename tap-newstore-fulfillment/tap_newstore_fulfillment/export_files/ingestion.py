"""Reads new export files into the landing store.

From there on their events are like any others: released once, in timestamp order, even if late,
with a bookmark of fixed size. The events of a file are durable before the file is noted as read;
if the tap is killed in between, the file is read again, and duplicates change nothing.

When was an event received (design rule 1)? The time a file was written is by the object store's
clock, and may be the start of its upload. So it is compared with other files only: an event is as
old as its file is older than the newest file listed. If the files do not tell, the event is as old
as this listing. Neither is ever too early, however the two clocks differ.
"""

from __future__ import annotations

import collections
import logging
import typing as t
import zlib

from tap_newstore_fulfillment.errors import EventRejectedError, OtherEntityError
from tap_newstore_fulfillment.events import FulfillmentEvent, check_event
from tap_newstore_fulfillment.export_files.lines import LONGEST_LINE_BYTES, Line, read_lines
from tap_newstore_fulfillment.export_files.refused_lines import RefusedLines

if t.TYPE_CHECKING:
    import io

    from tap_newstore_fulfillment.export_files.prefix import ExportFile, ExportPrefix
    from tap_newstore_fulfillment.export_files.read_files import ReadFiles
    from tap_newstore_fulfillment.export_files.reject_file import RejectFile
    from tap_newstore_fulfillment.landing.store import LandingStore

logger = logging.getLogger("tap-newstore-fulfillment.export")

#: NewStore writes a file every 5 minutes: an event waits this long for its file.
FILE_SECONDS = 300
#: Greater ages make no difference; equal ones share a transaction.
GREATEST_AGE_MS = 24 * 3600 * 1000
LARGEST_GROUP = 5_000
#: How many names of other entities' events the log shows.
MOST_NAMES = 10
LARGEST_GROUP_BYTES = 16 * 2**20


def settle_ms(settle_seconds: int) -> int:
    """Return the milliseconds an event from an export file waits; 0 stays 0.

    A lower timestamp may take the promised time, and then wait in an open file.
    """
    return (settle_seconds + FILE_SECONDS) * 1000 if settle_seconds else 0


def received_at(file: ExportFile, newest: int | None, listed_at: int) -> int:
    """Return when a file's events count as received, in epoch milliseconds; never too early.

    Args:
        file: The file.
        newest: `modified_at` of the newest file listed.
        listed_at: Epoch milliseconds by this machine's clock when the listing began.
    """
    if file.modified_at is None or newest is None:
        return listed_at
    # Its last event may be younger than the start of its upload.
    age = min(newest, listed_at) - file.modified_at - FILE_SECONDS * 1000
    return listed_at - min(max(age, 0), GREATEST_AGE_MS)


class Ingestion:
    """One pass over a prefix.

    Args:
        prefix: Where the files are.
        store: Where their events go.
        read_files: Which files have been read.
        rejects: Where lines go that are not events, beside the store's quarantine.
    """

    def __init__(self, prefix: ExportPrefix, store: LandingStore, read_files: ReadFiles, rejects: RejectFile) -> None:
        self._prefix = prefix
        self._store = store
        self._read_files = read_files
        self._rejects = rejects
        self._events: list[FulfillmentEvent] = []
        self._bytes = 0
        self._new = 0
        self._done: list[ExportFile] = []
        self._others: collections.Counter[str] = collections.Counter()

    def run(self, listed_at: int) -> None:
        """Read every file that is new or has changed.

        Args:
            listed_at: Epoch milliseconds, now. All events visible by then are in the store afterwards.

        Raises:
            TapError: a file could not be read, or the store not be written; the next run goes on from here.
        """
        listed = self._prefix.list()
        newest = max((file.modified_at for file in listed if file.modified_at is not None), default=None)
        unread = self._read_files.unread(listed)
        self._refused = RefusedLines(self._store, self._prefix.address, self._rejects, listed_at)
        at = listed_at
        for file, raw in self._prefix.open(unread):
            previous, at = at, received_at(file, newest, listed_at)
            if at != previous:
                self._flush(previous)
            if raw is not None:
                self._read(file, raw, at)
        self._flush(at)
        logger.info(
            "%d export files below %s, %d read, %d new events",
            len(listed),
            self._prefix.address,
            len(unread),
            self._new,
        )
        if self._others:
            named = ", ".join(f"{name} {count}" for name, count in self._others.most_common(MOST_NAMES))
            logger.info("%d events of other entities are not kept: %s", self._others.total(), named)

    def _read(self, file: ExportFile, raw: io.RawIOBase, at: int) -> None:
        number = 0
        if file.name in self._read_files.changed:
            self._refused.forget(file.name)
        try:
            for line in read_lines(raw):
                number = line.number
                self._take(file, line)
                if len(self._events) >= LARGEST_GROUP or self._bytes >= LARGEST_GROUP_BYTES:
                    self._flush(at)
        except FileNotFoundError:
            return
        except (OSError, EOFError, zlib.error) as error:
            self._refused.add(file.name, number + 1, f"gzip: {error}; read again when the file changes", b"")
        self._done.append(file)

    def _take(self, file: ExportFile, line: Line) -> None:
        event, refused = None, ""
        try:
            if line.is_too_long:
                raise EventRejectedError(f"line: longer than {LONGEST_LINE_BYTES} bytes; only its beginning is kept")
            event = check_event(line.text)
        except OtherEntityError as other:
            self._others[other.event_name] += 1
            return
        except EventRejectedError as error:
            refused = str(error)
        except Exception as error:  # noqa: BLE001 - no run would ever get past this line
            refused = f"an error nobody foresaw: {type(error).__name__}"
        if event is None:
            unfinished = "" if line.is_ended else "; no newline follows, it is read again when the file changes"
            self._refused.add(file.name, line.number, f"{refused}{unfinished}", line.text)
            return
        self._events.append(event)
        self._bytes += len(line.text)

    def _flush(self, at: int) -> None:
        """Make events and refused lines durable, and only then note the files they came from."""
        if self._events:
            self._new += self._store.add(self._events, received_at=at).total()
        self._refused.flush()
        self._read_files.add(self._done)
        self._events, self._bytes, self._done = [], 0, []
