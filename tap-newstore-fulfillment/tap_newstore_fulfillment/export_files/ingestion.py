"""Reads new export files into the landing store.

From there on their events are like any others: released once, in timestamp order, even if late,
with a bookmark of fixed size. The events of a file are durable before the file is noted as read;
if the tap is killed in between, the file is read again, and duplicates change nothing.

When was an event received (design rule 1)? The time a file was written is by the object store's
clock, and may be the start of its upload. So it is compared with other files only: an event is as
old as its file is older than the newest file listed, less the time the listing took, in which files
may have come that it missed. If the files do not tell, the event is as old as this listing. Neither
is ever too early, however the two clocks differ.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import time
import typing as t
import zlib

from tap_newstore_fulfillment.errors import EventRejectedError, OtherEntityError
from tap_newstore_fulfillment.events import FulfillmentEvent, check_event
from tap_newstore_fulfillment.export_files.lines import LONGEST_LINE_BYTES, Line, read_lines
from tap_newstore_fulfillment.export_files.listing import Listing
from tap_newstore_fulfillment.export_files.refused_lines import RefusedLines

if t.TYPE_CHECKING:
    import io
    from collections.abc import Callable

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
LARGEST_GROUP_BYTES = 16 * 2**20
#: How many names of other entities' events the log shows.
MOST_NAMES = 10


def settle_ms(settle_seconds: int) -> int:
    """Return the milliseconds an event from an export file waits; 0 stays 0.

    A lower timestamp may take the promised time, and then wait in an open file.
    """
    return (settle_seconds + FILE_SECONDS) * 1000 if settle_seconds else 0


def received_at(file: ExportFile, newest: int | None, listed_at: int) -> int:
    """Return when a file's events count as received, in epoch milliseconds; never too early.

    Args:
        file: The file.
        newest: `modified_at` of the newest file there was when the listing began, or earlier.
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
        clock: Seconds that never jump.
    """

    def __init__(
        self,
        prefix: ExportPrefix,
        store: LandingStore,
        read_files: ReadFiles,
        rejects: RejectFile,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prefix = prefix
        self._store = store
        self._read_files = read_files
        self._rejects = rejects
        self._clock = clock
        self._events: list[FulfillmentEvent] = []
        self._bytes = 0
        self._new = 0
        self._done: list[ExportFile] = []
        self._read_count = 0
        self._gone_count = 0
        self._gone: list[str] = []
        self._others: collections.Counter[str] = collections.Counter()

    def run(self, listed_at: int) -> None:
        """Read every file that is new or has changed.

        Args:
            listed_at: Epoch milliseconds, now. All events visible by then are in the store afterwards.

        Raises:
            TapError: a file could not be read, or the store not be written; the next run goes on from here.
        """
        self._refused = RefusedLines(self._store, self._prefix, self._rejects, listed_at)
        begun = self._clock()
        with contextlib.closing(Listing(self._prefix.files())) as listing:
            newest = listing.newest
            if newest is not None:
                newest -= int((self._clock() - begun) * 1000)
            self._read_files.compare(listing)
            at = listed_at
            for file, raw in self._prefix.open(listing.unread()):
                previous, at = at, received_at(file, newest, listed_at)
                if at != previous:
                    self._flush(previous)
                self._read(file, raw, at)
            self._flush(at)
            self._report(listing.count)

    def _report(self, listed: int) -> None:
        """Say in the log what was read, what was not there any more, and what is none of ours."""
        shown = self._prefix.shown
        logger.info("%d export files below %s, %d read, %d new events", listed, shown, self._read_count, self._new)
        if self._gone:
            logger.warning(
                "%d files are gone since they were listed, and what they held is not known: %s",
                self._gone_count,
                ", ".join(self._gone),
            )
        if self._others:
            named = ", ".join(f"{name} {count}" for name, count in self._others.most_common(MOST_NAMES))
            logger.info("%d events of other entities are not kept: %s", self._others.total(), named)

    def _read(self, file: ExportFile, raw: io.RawIOBase | None, at: int) -> None:
        number = 0
        try:
            if raw is None:
                raise FileNotFoundError
            for line in read_lines(raw):
                number = line.number
                self._take(file, line)
                if len(self._events) >= LARGEST_GROUP or self._bytes >= LARGEST_GROUP_BYTES:
                    self._flush(at)
        except FileNotFoundError:
            # A lifecycle rule may have removed it; what came of it stays.
            self._gone_count += 1
            if len(self._gone) < MOST_NAMES:
                self._gone.append(file.name)
            return
        except (OSError, EOFError, zlib.error) as error:
            self._refused.add(file.name, number + 1, f"gzip: {error}; read again when the file changes", b"")
        self._read_count += 1
        self._done.append(file)
        if len(self._done) >= LARGEST_GROUP:
            self._flush(at)

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
        self._read_files.add(self._done, self._refused.forget)
        self._events, self._bytes, self._done = [], 0, []
