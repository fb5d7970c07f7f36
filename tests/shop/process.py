"""Real processes: started, awaited by what they print, and stopped by their id."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import typing as t
from pathlib import Path

from tests.shop.warm_start import command, environment, starter

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.shop.warm_start import Forks, Fresh

__all__ = ["Process", "children", "command", "environment", "wait_until"]

START_SECONDS = 60
STOP_SECONDS = 30


class Process:
    """A process that runs beside the caller. Use it in a `with` block.

    Args:
        arguments: The command, as returned by `command`, and its arguments.
        log: A file that receives everything it prints.
        variables: Extra environment variables.
        forks: Starts the process; None: it is forked if it can be.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        variables: Mapping[str, str] | None = None,
        forks: Forks | Fresh | None = None,
    ) -> None:
        self._log = log
        with log.open("ab") as file:
            starts = forks or starter(arguments, variables)
            self._process = starts.start(arguments, None, file, file, variables=variables)

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process's id."""
        return int(self._process.pid)

    @property
    def output(self) -> str:
        """Everything printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, pattern: str, seconds: float = START_SECONDS) -> re.Match[str]:
        """Wait until the process prints the pattern and return the match.

        Raises:
            AssertionError: it ended first, or the time ran out.
        """

        def printed() -> re.Match[str] | None:
            found = re.search(pattern, self.output)
            if not found and self._process.poll() is not None:
                found = re.search(pattern, self.output)
                assert found, f"ended with {self._process.returncode} without {pattern!r}:\n{self.output}"
            return found

        return wait_until(printed, f"{pattern!r} in the output", seconds)

    def wait(self) -> int:
        """Wait until the process ends by itself and return its exit code."""
        return int(self._process.wait(START_SECONDS))

    def stop(self) -> int:
        """Ask the process to end and return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return int(self._process.wait(STOP_SECONDS))

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self._process.kill()
        self._process.wait(STOP_SECONDS)


Found = t.TypeVar("Found")


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # Others end meanwhile.
        with contextlib.suppress(OSError):
            state, parent = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[:2]
            if parent == str(pid) and state != "Z":
                found.append(int(stat.parent.name))
    return found


def wait_until(condition: t.Callable[[], Found | None], what: str, seconds: float = START_SECONDS) -> Found:
    """Wait until a condition returns something true and return it.

    Raises:
        AssertionError: the time ran out.
    """
    pause = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if found := condition():
            return found
        pause.wait(0.05)
    raise AssertionError(f"no {what} within {seconds} s")
