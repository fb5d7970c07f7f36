"""Many requests, one transaction: each is answered only after its commit is durable."""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

from tap_newstore_fulfillment.errors import StoreUnavailableError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Entry = t.TypeVar("Entry")


class GroupCommit(t.Generic[Entry]):
    """Collects what arrives while a transaction runs, and commits it together in the next.

    Args:
        commit: Makes a group durable; runs in a thread, one call at a time.
        largest_group: The most entries one transaction takes.
        most_waiting: Beyond this `add` refuses at once instead of letting memory grow.
    """

    def __init__(self, commit: Callable[[Sequence[Entry]], object], *, largest_group: int, most_waiting: int) -> None:
        self._commit = commit
        self._largest_group = largest_group
        self._waiting: asyncio.Queue[tuple[Entry, asyncio.Future[None]]] = asyncio.Queue(most_waiting)
        self._worker: asyncio.Task[None] | None = None

    async def add(self, entry: Entry) -> None:
        """Return when the entry is durable.

        Raises:
            StoreUnavailableError: it is not; the sender has to send it again.
        """
        done = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait((entry, done))
        except asyncio.QueueFull:
            raise StoreUnavailableError("too many events are waiting to be stored") from None
        await done

    @contextlib.asynccontextmanager
    async def running(self) -> t.AsyncIterator[None]:
        """Work while the block runs; at its end everything accepted is committed first."""
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
            except Exception as error:  # noqa: BLE001 - each waiting request gets the reason
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
