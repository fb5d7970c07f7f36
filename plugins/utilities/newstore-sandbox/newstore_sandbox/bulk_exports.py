"""The bulk availability export: a snapshot of every key's ATP, as a file behind a link (newstore-api.md, section 6)."""

from __future__ import annotations

import dataclasses
import json
import time
import typing as t
import uuid

from newstore_sandbox.errors import CallError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from newstore_sandbox.stock import Key

Atp = dict["Key", int]


@dataclasses.dataclass(frozen=True)
class Export:
    """One export.

    Attributes:
        atp: Every key's number when it was asked for.
        file: The file: a JSON list.
        last_updated_at: When it was asked for, epoch milliseconds.
        ready_at: From when on the file can be fetched, by the clock.
    """

    atp: Atp
    file: bytes
    last_updated_at: int
    ready_at: float


class BulkExports:
    """All exports that were asked for.

    Args:
        clock: Returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all: dict[str, Export] = {}

    def create(self, body: t.Any, atp: Mapping[Key, int], seconds: float) -> str:
        """Take a snapshot and return the export's id.

        Args:
            body: `{}`, or `{"last_updated_at": …}`: only keys whose ATP is another one than in the export of then.
            atp: Every key's number.
            seconds: How long the export takes.

        Raises:
            CallError: the body is not one of the two.
        """
        since = body.get("last_updated_at") if isinstance(body, dict) else ""
        if since is not None and (not isinstance(since, int) or isinstance(since, bool)):
            raise CallError(400, "invalid_request", "last_updated_at: expected an integer")
        before = self._snapshot(since)
        rows = [
            {"product_id": key[1], "fulfillment_node_id": key[0], "atp": number}
            for key, number in atp.items()
            if before.get(key) != number
        ]
        now = max(time.time_ns() // 1_000_000, *(export.last_updated_at + 1 for export in self._all.values()), 0)
        export_id = str(uuid.uuid4())
        self._all[export_id] = Export(dict(atp), json.dumps(rows).encode(), now, self._clock() + seconds)
        return export_id

    def show(self, export_id: str, link: str) -> dict[str, t.Any]:
        """Return the state of an export; `link` is where its file is served."""
        export = self._get(export_id)
        if export.ready_at > self._clock():
            return {"state": "running"}
        return {"state": "finished", "link": link, "last_updated_at": export.last_updated_at}

    def file(self, export_id: str) -> bytes:
        """Return the file of an export."""
        return self._get(export_id).file

    def _snapshot(self, since: int | None) -> Atp:
        """Return the numbers of the last export that is not younger than `since` (none: of no key)."""
        known = [export for export in self._all.values() if since is not None and export.last_updated_at <= since]
        return max(known, key=lambda export: export.last_updated_at).atp if known else {}

    def _get(self, export_id: str) -> Export:
        if export_id not in self._all:
            raise CallError(404, "not_found", f"no availability export {export_id}")
        return self._all[export_id]
