"""Plays a schedule on two machines that share landing store, ledger and staging place, and nothing else.

Each has a temporary directory and a clock of its own. A run may stand still anywhere, on the one machine, while the
other machine runs, and then goes on as if nothing had happened.
"""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import tempfile
import threading
import typing as t
from pathlib import Path

from tests.faults.breaking.shifted_clock import MachineClock
from tests.faults.players.real_processes import CALLS, POLL_SECONDS, STEPS, RealProcesses
from tests.faults.stories.schedules import make_schedule
from tests.faults.stories.steps import ALL, AT_START
from tests.shop import warm_start
from tests.shop.pipeline import PARTS, RUN_SECONDS, Machine
from tests.shop.warm_start import Forks

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.players.real_processes import NewDatabase
    from tests.faults.stories.judge import Verdict
    from tests.faults.stories.schedules import Schedule
    from tests.faults.stories.steps import Run, RunFault
    from tests.faults.stories.world import State

#: How far ahead the second machine's clock is. The target allows for two minutes.
AHEAD_SECONDS = 45
#: How long NewStore thinks before it answers the call at which a target stands still.
THINKS_SECONDS = 0.3
OVERTAKEN = "another run has overtaken this one"


@dataclasses.dataclass(frozen=True)
class TwoForks:
    """What forks the processes of each machine."""

    first: Forks
    second: Forks


@contextlib.contextmanager
def two_machines(module: str = warm_start.__name__, **variables: str) -> Iterator[TwoForks]:
    """Start what forks the processes of two machines; the arguments are those of `Forks`."""
    with contextlib.ExitStack() as stack:
        both = []
        for ahead in (0, AHEAD_SECONDS):
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            clock = MachineClock(directory)
            clock.set(ahead)
            forks = Forks(module, TMPDIR=str(directory), **clock.variables, **variables)
            both.append(stack.enter_context(forks))
        yield TwoForks(*both)


def play(
    seed: int, new_database: NewDatabase, forks: TwoForks, tell: Callable[[str], None] | None = None, **options: t.Any
) -> Verdict:
    """Play the schedule of a seed and return the judge's verdict.

    Args:
        seed: Seed of the schedule.
        new_database: Returns the SQLAlchemy URL of an empty database that both machines reach.
        forks: Forks the processes of each.
        tell: Called with what happens.
        options: Fields of `schedules.Options` that the seed does not decide.
    """
    schedule = make_schedule(seed, STEPS, database="postgresql", machines=2, **options)
    return play_schedule(schedule, new_database, forks, tell)


def play_schedule(
    schedule: Schedule, new_database: NewDatabase, forks: TwoForks, tell: Callable[[str], None] | None = None
) -> Verdict:
    """Play a schedule and return the judge's verdict."""
    urls = (new_database(), new_database())
    with (
        tempfile.TemporaryDirectory() as directory,
        TwoMachines(schedule, Path(directory), urls, tell, forks) as story,
    ):
        return story.play()


class TwoMachines(RealProcesses):
    """One shop whose runs take turns on two machines. Use it in a `with` block.

    Args:
        schedule: What happens.
        directory: Where everything is written.
        urls: SQLAlchemy URLs of landing store and ledger, two empty databases.
        tell: Called with what happens.
        forks: Forks the processes of each machine.
    """

    def __init__(
        self,
        schedule: Schedule,
        directory: Path,
        urls: tuple[str, str],
        tell: Callable[[str], None] | None,
        forks: TwoForks,
    ) -> None:
        super().__init__(schedule, directory, urls, tell, forks.first)
        second = directory / "second"
        second.mkdir()
        self._machines = (self._shop.machine, Machine(second, forks.second))

    def run(self, run: Run) -> State | None:
        """Run on the machine the step says; let the other one overtake it, if the step says so."""
        self._shop.machine = self._machines[run.machine]
        if run.overtaken_by is None:
            return super().run(run)
        basis, begun = self.basis(), self.now()
        fault = t.cast("RunFault", run.fault)
        self._newstore.set_faults(hold_jobs=False, calls=self._slow_call(fault))
        processes = self._start()
        with self._standing_still(processes, fault):
            for step in run.meanwhile:
                self.do_meanwhile(step)
            newer = self.run(run.overtaken_by)
            self.verdict.counts["runs"] += 1
            self._shop.machine = self._machines[run.machine]
        older = self._finish(processes, basis, begun)
        self.verdict.counts["runs that gave way"] += OVERTAKEN in self._shop.log
        return (newer or older) if run.newer_state_wins else (older or newer)

    @staticmethod
    def _slow_call(fault: RunFault) -> list[dict[str, t.Any]]:
        if fault.part != "target" or fault.how == AT_START:
            return []
        return [{**CALLS[fault.at % len(CALLS)], "delay_seconds": THINKS_SECONDS}]

    @contextlib.contextmanager
    def _standing_still(self, processes: list[t.Any], fault: RunFault) -> Iterator[None]:
        """Stop a part, or all of them, where a fault says, for the length of a block."""
        if fault.how != AT_START:
            self._wait_until(processes, lambda seconds: self._is_time(fault, seconds))
        for name, process in zip(PARTS, processes, strict=True):
            if process.poll() is None and (fault.how == ALL or name.startswith(fault.part)):
                process.send_signal(signal.SIGSTOP)
                self.verdict.counts[f"pauses of the {name.partition('-')[0]}"] += 1
                self.tell(f"  {name} stands still")
        if fault.how == AT_START:
            # Its input waits in the pipe.
            self._wait_until(processes[:-1], lambda _: False)
        try:
            yield
        finally:
            for process in processes:
                process.send_signal(signal.SIGCONT)

    def _wait_until(self, processes: list[t.Any], is_time: Callable[[float], bool]) -> None:
        """Wait until it is time, or all processes have ended."""
        begun, pause = self.now(), threading.Event()
        while any(process.poll() is None for process in processes) and not is_time(self.now() - begun):
            assert self.now() - begun < RUN_SECONDS, f"a run does not end:\n{self._shop.log}"
            pause.wait(POLL_SECONDS)
