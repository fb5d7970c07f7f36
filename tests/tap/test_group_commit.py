"""Group commit: many requests share a transaction, behind a bounded queue."""

from __future__ import annotations

import asyncio
import threading
import typing as t

import pytest
from tap_newstore_fulfillment.errors import StoreUnavailableError
from tap_newstore_fulfillment.receiver.group_commit import GroupCommit

from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Store:
    """Commits only when allowed to, and remembers the groups."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.may_commit = threading.Event()
        self.is_committing = threading.Event()
        self.error: Exception | None = None

    def commit(self, entries: Sequence[int]) -> None:
        self.is_committing.set()
        self.may_commit.wait()
        if self.error:
            raise self.error
        self.groups.append(list(entries))


async def first_is_committing(store: Store) -> None:
    await asyncio.to_thread(store.is_committing.wait)


async def add_all(store: Store, entries: Sequence[int], *, largest_group: int = 100) -> None:
    commits: GroupCommit[int] = GroupCommit(store.commit, largest_group=largest_group, most_waiting=100)
    async with commits.running():
        waiting = [asyncio.create_task(commits.add(entries[0]))]
        await first_is_committing(store)
        waiting += [asyncio.create_task(commits.add(entry)) for entry in entries[1:]]
        await asyncio.sleep(0)
        store.may_commit.set()
        await asyncio.gather(*waiting)


def test_entries_that_come_during_a_commit_share_the_next_one() -> None:
    store = Store()
    asyncio.run(add_all(store, range(6)))
    assert store.groups == [[0], [1, 2, 3, 4, 5]]


def test_a_group_does_not_wait_for_its_turn_in_a_busy_event_loop() -> None:
    async def keep_the_loop_busy(store: Store) -> None:
        commits: GroupCommit[int] = GroupCommit(store.commit, largest_group=1, most_waiting=10)
        async with commits.running():
            waiting = [asyncio.create_task(commits.add(entry)) for entry in range(3)]
            await first_is_committing(store)
            store.may_commit.set()
            # This holds up the loop itself.
            wait_until(lambda: len(store.groups) == 3, "all commits while the loop is busy")
            assert not any(task.done() for task in waiting)

    asyncio.run(keep_the_loop_busy(Store()))


def test_a_group_is_never_larger_than_allowed() -> None:
    store = Store()
    asyncio.run(add_all(store, range(6), largest_group=2))
    assert store.groups == [[0], [1, 2], [3, 4], [5]]


def test_a_full_queue_refuses_at_once() -> None:
    async def fill(store: Store) -> None:
        commits: GroupCommit[int] = GroupCommit(store.commit, largest_group=1, most_waiting=2)
        async with commits.running():
            waiting = [asyncio.create_task(commits.add(0))]
            await first_is_committing(store)
            waiting += [asyncio.create_task(commits.add(entry)) for entry in (1, 2)]
            await asyncio.sleep(0)
            with pytest.raises(StoreUnavailableError, match="too many events are waiting"):
                await commits.add(3)
            store.may_commit.set()
            await asyncio.gather(*waiting)

    store = Store()
    asyncio.run(fill(store))
    assert store.groups == [[0], [1], [2]]


def test_a_failed_commit_fails_its_whole_group_and_the_next_one_goes_on() -> None:
    async def fail_once(store: Store) -> Sequence[BaseException | None]:
        commits: GroupCommit[int] = GroupCommit(store.commit, largest_group=10, most_waiting=10)
        store.may_commit.set()
        async with commits.running():
            store.error = StoreUnavailableError("down")
            failed = await asyncio.gather(commits.add(1), commits.add(2), return_exceptions=True)
            store.error = None
            await commits.add(3)
        return failed

    store = Store()
    failed = asyncio.run(fail_once(store))
    assert [str(error) for error in failed] == ["down", "down"]
    assert store.groups == [[3]]


@pytest.mark.parametrize("error", [None, StoreUnavailableError("down")])
def test_what_needs_no_commit_goes_on_with_the_group_it_would_be_in_whatever_becomes_of_it(
    error: Exception | None,
) -> None:
    async def add_two(store: Store) -> None:
        commits: GroupCommit[int] = GroupCommit(store.commit, largest_group=10, most_waiting=3)
        async with commits.running():
            store.error = error
            added = [asyncio.create_task(commits.add(0))]
            await first_is_committing(store)
            added.append(asyncio.create_task(commits.add(1)))
            beside = [asyncio.create_task(commits.beside()) for _ in range(3)]
            await asyncio.sleep(0)
            # No more wait than may.
            assert [task.done() for task in beside] == [False, False, True]
            store.may_commit.set()
            await asyncio.gather(*beside)
            said = await asyncio.gather(*added, return_exceptions=True)
        assert said == [error, error]

    store = Store()
    asyncio.run(add_two(store))
    assert store.groups == ([] if error else [[0], [1]])


def test_everything_accepted_is_committed_on_shutdown() -> None:
    async def stop(store: Store) -> None:
        commits: GroupCommit[int] = GroupCommit(store.commit, largest_group=1, most_waiting=10)
        async with commits.running():
            waiting = [asyncio.create_task(commits.add(entry)) for entry in range(5)]
            await first_is_committing(store)
            store.may_commit.set()
        assert all(task.done() for task in waiting)

    store = Store()
    asyncio.run(stop(store))
    assert store.groups == [[0], [1], [2], [3], [4]]


class InLoop:
    """A store that an event loop can wait for; each group is ended by the test.

    Attributes:
        groups: What it has been given.
        ended: To be called with None: the last of it is durable; or with what a thread has to do.
    """

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.ended: Callable[[Callable[[], object] | None], None] = _ended_before
        self.is_there = True

    def __call__(self) -> Callable[[Sequence[int], Callable[[Callable[[], object] | None], None]], None] | None:
        return self._begin if self.is_there else None

    def _begin(self, entries: Sequence[int], ended: Callable[[Callable[[], object] | None], None]) -> None:
        self.groups.append(list(entries))
        self.ended = ended


def _ended_before(_work: object) -> None:
    raise AssertionError("nothing was begun")


def in_loop(store: Store, loop: InLoop, largest_group: int = 100) -> GroupCommit[int]:
    return GroupCommit(store.commit, loop, largest_group=largest_group, most_waiting=100)


def test_the_loop_begins_a_group_at_a_time_and_answers_when_it_is_durable() -> None:
    async def add_three() -> None:
        commits = in_loop(store, loop)
        async with commits.running():
            waiting = [asyncio.create_task(commits.add(0))]
            await asyncio.sleep(0.01)
            waiting += [asyncio.create_task(commits.add(entry)) for entry in (1, 2)]
            await asyncio.sleep(0.01)
            assert loop.groups == [[0]]
            assert not any(task.done() for task in waiting)
            loop.ended(None)
            assert loop.groups == [[0], [1, 2]]
            await waiting[0]
            assert not waiting[1].done()
            loop.ended(None)
            await asyncio.gather(*waiting)

    store, loop = Store(), InLoop()
    asyncio.run(add_three())
    assert store.groups == []


def test_what_the_loop_cannot_do_a_thread_does_and_the_loop_goes_on() -> None:
    async def add_two() -> None:
        commits = in_loop(store, loop)
        done: list[int] = []

        def fail() -> None:
            raise StoreUnavailableError("down")

        async with commits.running():
            first = asyncio.create_task(commits.add(0))
            await asyncio.sleep(0.01)
            loop.ended(lambda: done.append(0))
            await first
            assert done == [0]
            second = asyncio.create_task(commits.add(1))
            await asyncio.sleep(0.01)
            loop.ended(fail)
            with pytest.raises(StoreUnavailableError, match="down"):
                await second
            loop.is_there = False
            store.may_commit.set()
            await commits.add(2)

    store, loop = Store(), InLoop()
    asyncio.run(add_two())
    assert (loop.groups, store.groups) == ([[0], [1]], [[2]])


def test_what_needs_no_commit_waits_for_the_next_group_of_the_loop_and_needs_none_of_its_own() -> None:
    async def come_before_between_and_after() -> None:
        commits = in_loop(Store(), loop)
        async with commits.running():
            await commits.beside()
            first = asyncio.create_task(commits.add(0))
            await asyncio.sleep(0.01)
            second, beside = asyncio.create_task(commits.add(1)), asyncio.create_task(commits.beside())
            await asyncio.sleep(0.01)
            loop.ended(None)
            await first
            assert not beside.done()
            alone = asyncio.create_task(commits.beside())
            await asyncio.sleep(0.01)
            loop.ended(None)
            await asyncio.gather(second, beside, alone)

    loop = InLoop()
    asyncio.run(come_before_between_and_after())
    assert loop.groups == [[0], [1]]


@pytest.mark.parametrize("is_there", [True, False])
def test_entries_are_taken_behind_a_group_that_needs_no_commit(*, is_there: bool) -> None:
    async def come_first() -> None:
        commits = in_loop(store, loop, largest_group=2)
        async with commits.running():
            beside = [asyncio.create_task(commits.beside()) for _ in range(4)]
            added = asyncio.create_task(commits.add(0))
            await asyncio.gather(*beside)
            store.may_commit.set()
            if is_there:
                loop.ended(None)
            await added

    store, loop = Store(), InLoop()
    loop.is_there = is_there
    asyncio.run(come_first())
    assert (loop.groups if is_there else store.groups) == [[0]]


def test_a_group_under_way_in_the_loop_is_waited_for_on_shutdown() -> None:
    async def stop() -> None:
        commits = in_loop(store, loop, largest_group=1)
        async with commits.running():
            waiting = [asyncio.create_task(commits.add(entry)) for entry in range(2)]
            await asyncio.sleep(0.01)
            for seconds in (0.02, 0.04):
                asyncio.get_running_loop().call_later(seconds, lambda: loop.ended(None))
        assert all(task.done() for task in waiting)

    store, loop = Store(), InLoop()
    asyncio.run(stop())
    assert loop.groups == [[0], [1]]


def test_a_commit_that_ends_after_the_loop_has_nobody_to_tell() -> None:
    async def stop_meanwhile() -> threading.Thread:
        commits: GroupCommit[int] = GroupCommit(store.commit, largest_group=1, most_waiting=10)
        async with commits.running():
            (thread,) = (thread for thread in threading.enumerate() if thread.name == "group commit")
            waiting.append(asyncio.create_task(commits.add(0)))
            await first_is_committing(store)
        return thread

    failed: list[object] = []
    waiting: list[asyncio.Task[None]] = []
    store = Store()
    before, threading.excepthook = threading.excepthook, failed.append
    try:
        thread = asyncio.run(stop_meanwhile())
        store.may_commit.set()
        thread.join(30)
    finally:
        threading.excepthook = before
    assert (store.groups, failed) == ([[0]], [])


def test_what_nobody_foresaw_in_the_loop_stops_no_other_group() -> None:
    def fail(_entries: object, _ended: object) -> None:
        raise UnicodeEncodeError("utf-8", "", 0, 1, "nobody foresaw it")

    async def add_two() -> None:
        commits: GroupCommit[int] = GroupCommit(store.commit, lambda: fail, largest_group=1, most_waiting=10)
        store.may_commit.set()
        async with commits.running():
            await asyncio.wait_for(commits.add(0), 30)
            store.error = ValueError("as nobody foresaw")
            with pytest.raises(ValueError, match="foresaw"):
                await asyncio.wait_for(commits.add(1), 30)

    store = Store()
    asyncio.run(add_two())
    assert store.groups == [[0]]
