"""What a run has sent so far, as its STATE says it.

Whoever reads the records can compare (design rule 14): a filter, a map or a lost line in between would otherwise go
unnoticed.
"""

from __future__ import annotations

import typing as t
import zlib

if t.TYPE_CHECKING:
    from collections.abc import Sequence

SENT = "sent"


class Sent:
    """Counts a run's records, those emitted ahead included, and keeps a checksum of their event ids."""

    def __init__(self) -> None:
        self._count = 0
        self._checksum = 0

    def add(self, event_ids: Sequence[str]) -> None:
        """Count records, in the order they were written."""
        self._count += len(event_ids)
        self._checksum = zlib.crc32("".join(event_ids).encode(), self._checksum)

    def to_state(self) -> dict[str, t.Any]:
        """Return the value of the bookmark's `sent`.

        `checksum` is the CRC-32 of all event ids in a row, as UTF-8, in the order sent: 8 hexadecimal digits.
        """
        return {"count": self._count, "checksum": f"{self._checksum:08x}"}
