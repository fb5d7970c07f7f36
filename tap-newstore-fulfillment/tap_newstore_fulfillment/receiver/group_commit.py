"""Group commit: many requests share a transaction, and each is answered after it is durable."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import queue
import threading
import typing as t
from collections.abc import Callable, Sequence

from tap_newstore_fulfillment.errors import StoreUnavailableError

Entry = t.TypeVar("Entry")
#: Called once, in the event loop: when a group is durable; or with what a thread has to do for it.
Ended = Callable[[Callable[[], object] | None], None]
#: Begins to make a group durable, without waiting.
Begin = Callable[[Sequence[Entry], Ended], None]
#: Entries, or None for who only waits, and whom to tell.
Group = list[tuple[Entry | None, asyncio.Future[None]]]
#: How long the end waits for commits: who waited longer has been told to send again.
LAST_COMMIT_SECONDS = 1.0


class GroupCommit(t.Generic[Entry]):
    """Collects the entries that arrive during a transaction and commits them together in the next.

    Where the event loop can wait for the database itself, it does. Else a thread of its own commits: between two
    groups it does not wait for its turn in a busy event loop.

    Args:
        commit: Makes a group durable; called in a thread, one call at a time.
        in_loop: Returns what begins to do so from the event loop, one group at a time; None: the thread has to.
        largest_group: The most entries in one transaction.
        most_waiting: The most entries that wait; beyond it `add` refuses at once, so that memory stays bounded.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Entry]], object],
        in_loop: Callable[[], Begin[Entry] | None] = lambda: None,
        *,
        largest_group: int,
        most_waiting: int,
    ) -> None:
        self._commit = commit
        self._in_loop = in_loop
        self._largest_group = largest_group
        self._most_waiting = most_waiting
        self._waiting: collections.deque[tuple[Entry | None, asyncio.Future[None]]] = collections.deque()
        self._is_told = False
        #: The event loop waits for no group.
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        #: A group and what to do for it, then what waits; None: the last of all.
        self._turns: queue.SimpleQueue[tuple[Group[Entry], Callable[[], object]] | None] = queue.SimpleQueue()

    async def add(self, entry: Entry) -> None:
        """Return when the entry is durable.

        Raises:
            StoreUnavailableError: it is not; the sender must send it again.
        """
        if len(self._waiting) >= self._most_waiting:
            raise StoreUnavailableError("too many events are waiting to be stored")
        await self._wait(entry)

    async def beside(self) -> None:
        """Return when an entry added now would be durable or refused; at once if too many are waiting.

        Senders wait for each answer. One that gets its answer before all others sends again before all others, and
        its next entry would have a transaction to itself.
        """
        if len(self._waiting) < self._most_waiting:
            await self._wait(None)

    async def _wait(self, entry: Entry | None) -> None:
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
            until = loop.time() + LAST_COMMIT_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    while not self._is_idle.is_set():
                        await self._is_idle.wait()
            self._turns.put(None)
            await asyncio.to_thread(thread.join, max(until - loop.time(), 0))

    def _tell(self) -> None:
        self._is_told = False
        self._go_on()

    def _go_on(self) -> None:
        """Let what waits be committed, unless the event loop waits for a group: then it goes on after that."""
        if not self._is_idle.is_set():
            return
        begin = self._in_loop()
        if begin is None:
            self._turns.put(([], _nothing))
        elif group := self._take():
            entries = _entries(group)
            if not entries:
                self._settle(group, None)
                self._go_on()
                return
            self._is_idle.clear()
            try:
                begin(entries, functools.partial(self._ended, group))
            except Exception:  # noqa: BLE001 - whatever it is, the thread meets it again, and each request gets it
                self._ended(group, functools.partial(self._commit, entries))

    def _ended(self, group: Group[Entry], work: Callable[[], object] | None) -> None:
        self._is_idle.set()
        if work is not None:
            self._turns.put((group, work))
        # First the next group: the database need not wait for the answers.
        self._go_on()
        if work is None:
            self._settle(group, None)

    def _take(self) -> Group[Entry]:
        group: Group[Entry] = []
        # The event loop and the thread both take.
        with contextlib.suppress(IndexError):
            while len(group) < self._largest_group:
                group.append(self._waiting.popleft())
        return group

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while turn := self._turns.get():
            group, work = turn
            if group:
                self._tell_loop(loop, group, _error_of(work))
            self._commit_waiting(loop)
        self._commit_waiting(loop)

    def _commit_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        while group := self._take():
            entries = _entries(group)
            error = _error_of(functools.partial(self._commit, entries)) if entries else None
            self._tell_loop(loop, group, error)

    def _tell_loop(self, loop: asyncio.AbstractEventLoop, group: Group[Entry], error: Exception | None) -> None:
        # A commit may end when the loop has: then nobody waits for it.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._settle, group, error)

    def _settle(self, group: Group[Entry], error: Exception | None) -> None:
        for entry, done in group:
            if done.done():
                continue
            if error is None or entry is None:
                done.set_result(None)
            else:
                done.set_exception(error)


def _entries(group: Group[Entry]) -> list[Entry]:
    return [entry for entry, _ in group if entry is not None]


def _nothing() -> None:
    """Do nothing for a group of none."""


def _error_of(work: Callable[[], object]) -> Exception | None:
    try:
        work()
    except Exception as error:  # noqa: BLE001 - every waiting request gets the error
        return error
    return None
