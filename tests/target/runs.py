"""Runs the target: as a process, or in this one on a clock that moves only while somebody sleeps."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import logging
import typing as t

from target_newstore_stock.errors import TargetError
from target_newstore_stock.stock_import import StockImport
from target_newstore_stock.target import TargetNewStoreStock

from tests.shop.plugin import run_plugin
from tests.target.stock_messages import a_schema

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import pytest

    from tests.shop.newstore import NewStore
    from tests.shop.plugin import Finished
    from tests.target.stock_messages import Message


def run_target(newstore: NewStore, directory: Path, *messages: Message, **settings: t.Any) -> Finished:
    """Run the target as a process, on messages that follow the SCHEMA."""
    return run_plugin(
        "target-newstore-stock", directory, {**newstore.target_settings, **settings}, messages=[a_schema(), *messages]
    )


def summary_of(done: Finished) -> dict[str, t.Any]:
    """Return the summary, the line of JSON a run ends with."""
    (line,) = [line for line in done.log.splitlines() if '"run_summary"' in line]
    return t.cast("dict[str, t.Any]", json.loads(line[line.index("{") :]))


class Clock:
    """A clock that a sleep moves at once, while NewStore works for a moment; `at` schedules events."""

    def __init__(self, newstore: NewStore) -> None:
        self.now = 0.0
        self._newstore = newstore
        self._events: list[tuple[float, Callable[[], object]]] = []

    def __call__(self) -> float:
        return self.now

    def at(self, seconds: float, event: Callable[[], object]) -> None:
        self._events.append((seconds, event))

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        due = [event for event in self._events if event[0] <= self.now]
        self._events = [event for event in self._events if event not in due]
        for _, event in due:
            event()
        self._newstore.let_jobs_work()


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a run ended: the error in one line ("" for none), and the states it emitted."""

    error: str
    states: list[Message]

    @property
    def acknowledged(self) -> list[int]:
        return [state["bookmarks"]["stock"]["cut"] for state in self.states]


class TargetOnClock(TargetNewStoreStock):
    """The target on a clock.

    Attributes:
        clock: The clock.
    """

    clock: Clock

    @functools.cached_property
    def importer(self) -> StockImport:
        """Imports the files."""
        clock = self.clock
        return StockImport(self.settings, self._counts, sleep=clock.sleep, clock=clock, cuts_of=self._cuts_of)


def run_here(
    newstore: NewStore,
    clock: Clock,
    messages: Iterable[Message],
    capsys: pytest.CaptureFixture[str],
    **settings: t.Any,
) -> Ended:
    """Run the target to its end, with the settings a process would have."""
    logger = logging.getLogger("target-newstore-stock")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    patient = {"import_timeout_seconds": 3600}
    target = TargetOnClock(config={**newstore.target_settings, **patient, **settings})
    target.clock = clock
    error = ""
    capsys.readouterr()
    try:
        target.listen(io.StringIO("".join(json.dumps(message) + "\n" for message in messages)))
    except TargetError as refused:
        error = str(refused)
    finally:
        logger.setLevel(level)
        target.intake.close()
        # The sandbox would wait for open connections when it stops.
        target.importer._client._session.close()
    return Ended(error, [json.loads(line) for line in capsys.readouterr().out.splitlines()])
