"""Group commit: many requests share a transaction, and each is answered after it is durable."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import queue
import threading
import typing as t

from tap_newstore_fulfillment.errors import StoreUnavailableError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Entry = t.TypeVar("Entry")
#: How long the end waits for commits: who waited longer has been told to send again.
LAST_COMMIT_SECONDS = 1.0


class GroupCommit(t.Generic[Entry]):
    """Collects the entries that arrive during a transaction and commits them together in the next.

    A thread of its own commits: between two groups it does not wait for its turn in a busy event loop.

    Args:
        commit: Makes a group durable; called in a thread, one call at a time.
        largest_group: The most entries in one transaction.
        most_waiting: The most entries that wait; beyond it `add` refuses at once, so that memory stays bounded.
    """

    def __init__(self, commit: Callable[[Sequence[Entry]], object], *, largest_group: int, most_waiting: int) -> None:
        self._commit = commit
        self._largest_group = largest_group
        self._most_waiting = most_waiting
        self._waiting: collections.deque[tuple[Entry, asyncio.Future[None]]] = collections.deque()
        self._is_told = False
        #: True: the last of all.
        self._turns: queue.SimpleQueue[bool] = queue.SimpleQueue()

    async def add(self, entry: Entry) -> None:
        """Return when the entry is durable.

        Raises:
            StoreUnavailableError: it is not; the sender must send it again.
        """
        if len(self._waiting) >= self._most_waiting:
            raise StoreUnavailableError("too many events are waiting to be stored")
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._waiting.append((entry, done))
        if not self._is_told:
            # Once a turn: what arrives in one turn of the loop goes together.
            self._is_told = True
            loop.call_soon(self._tell)
        await done

    @contextlib.asynccontextmanager
    async def running(self) -> t.AsyncIterator[None]:
        """Commit while the block runs; leaving it waits until everything accepted is committed, if it can be soon."""
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._work, args=(loop,), name="group commit", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._turns.put(True)
            await asyncio.to_thread(thread.join, LAST_COMMIT_SECONDS)

    def _tell(self) -> None:
        self._is_told = False
        self._turns.put(False)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        is_last = False
        while not is_last:
            is_last = self._turns.get()
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._largest_group))]
                error = self._error_of([entry for entry, _ in group])
                loop.call_soon_threadsafe(_settle, [done for _, done in group], error)

    def _error_of(self, entries: Sequence[Entry]) -> Exception | None:
        try:
            self._commit(entries)
        except Exception as error:  # noqa: BLE001 - every waiting request gets the error
            return error
        return None


def _settle(waiting: Sequence[asyncio.Future[None]], error: Exception | None) -> None:
    for done in waiting:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
