"""Group commit: many requests share a transaction, and each is answered after it is durable."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

from tap_newstore_fulfillment.errors import StoreUnavailableError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Entry = t.TypeVar("Entry")


class GroupCommit(t.Generic[Entry]):
    """Collects the entries that arrive during a transaction and commits them together in the next.

    Args:
        commit: Makes a group durable; called in a thread, one call at a time.
        largest_group: The most entries in one transaction.
        most_waiting: The most entries that wait; beyond it `add` refuses at once, so that memory stays bounded.
    """

    def __init__(self, commit: Callable[[Sequence[Entry]], object], *, largest_group: int, most_waiting: int) -> None:
        self._commit = commit
        self._largest_group = largest_group
        self._waiting: asyncio.Queue[tuple[Entry, asyncio.Future[None]]] = asyncio.Queue(most_waiting)
        self._worker: asyncio.Task[None] | None = None

    async def add(self, entry: Entry) -> None:
        """Return when the entry is durable.

        Raises:
            StoreUnavailableError: it is not; the sender must send it again.
        """
        done = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait((entry, done))
        except asyncio.QueueFull:
            raise StoreUnavailableError("too many events are waiting to be stored") from None
        await done

    @contextlib.asynccontextmanager
    async def running(self) -> t.AsyncIterator[None]:
        """Commit while the block runs; leaving it waits until everything accepted is committed."""
        self._worker = asyncio.create_task(self._work())
        try:
            yield
        finally:
            await self._waiting.join()
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            group = [await self._waiting.get()]
            while len(group) < self._largest_group and not self._waiting.empty():
                group.append(self._waiting.get_nowait())
            try:
                await asyncio.to_thread(self._commit, [entry for entry, _ in group])
            except Exception as error:  # noqa: BLE001 - every waiting request gets the error
                self._settle(group, error)
            else:
                self._settle(group, None)

    def _settle(self, group: list[tuple[Entry, asyncio.Future[None]]], error: Exception | None) -> None:
        for _, done in group:
            if not done.done() and error is None:
                done.set_result(None)
            elif not done.done() and error is not None:
                done.set_exception(error)
            self._waiting.task_done()
