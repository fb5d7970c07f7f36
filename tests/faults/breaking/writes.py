"""Kills this process at its n-th write: before it, after it, or halfway through.

A write is anything others can see: a database commit, a POST to NewStore, a piece of standard
output, a file that is created, renamed or removed. The plugins do not know about it.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import typing as t

import requests
from sqlalchemy.engine.default import DefaultDialect

WRITING = os.O_WRONLY | os.O_RDWR
FILES_CHANGED = ("os.rename", "os.remove", "os.mkdir", "os.truncate")


class Writes:
    """Counts the writes of this process.

    Args:
        last: The write to die at, from 1.
        below: Only files below this directory count.
    """

    def __init__(self, last: int, below: str) -> None:
        self._left = last
        self._below = below

    def watch(self) -> None:
        """Start counting; standard output must be file descriptor 1."""
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(_Output(self)), encoding="utf-8")
        DefaultDialect.do_commit = self._around(DefaultDialect.do_commit)  # type: ignore[method-assign]
        send = requests.adapters.HTTPAdapter.send
        posting = self._around(send)

        def send_or_die(adapter: t.Any, request: t.Any, *arguments: t.Any, **options: t.Any) -> requests.Response:
            call = posting if request.method == "POST" else send
            return t.cast("requests.Response", call(adapter, request, *arguments, **options))

        requests.adapters.HTTPAdapter.send = send_or_die  # type: ignore[method-assign,assignment]
        sys.addaudithook(self._audit)

    def die_if_it_is_time(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def _around(self, write: t.Any) -> t.Any:
        def write_or_die(*arguments: t.Any, **options: t.Any) -> t.Any:
            self.die_if_it_is_time()
            result = write(*arguments, **options)
            self.die_if_it_is_time()
            return result

        return write_or_die

    def _audit(self, event: str, arguments: tuple[t.Any, ...]) -> None:
        writes = event in FILES_CHANGED or (event == "open" and bool((arguments[2] or 0) & WRITING))
        if writes and isinstance(arguments[0], str) and arguments[0].startswith(self._below):
            self.die_if_it_is_time()


class _Output(io.FileIO):
    def __init__(self, writes: Writes) -> None:
        super().__init__(1, "w", closefd=False)
        self._writes = writes

    def write(self, data: t.Any, /) -> int:
        self._writes.die_if_it_is_time()
        half = len(data) // 2
        super().write(bytes(data[:half]))
        self._writes.die_if_it_is_time()
        rest = super().write(bytes(data[half:])) or 0
        self._writes.die_if_it_is_time()
        return half + rest
