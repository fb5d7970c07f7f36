"""Writes to SQLite that an event loop waits for itself: a process of its own makes them.

A thread would wait several times for its turn at the GIL, which the busy loop holds: longer than SQLite needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import subprocess
import sys
import threading
import typing as t

from tap_newstore_fulfillment.landing import sqlite_process
from tap_newstore_fulfillment.landing.connections import CONNECT_SECONDS, LOCK_SECONDS, SQLITE_SESSION
from tap_newstore_fulfillment.landing.loop_writes import Failed
from tap_newstore_fulfillment.landing.sqlite_process import Opening

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import sqlalchemy as sa

    from tap_newstore_fulfillment.landing.loop_writes import Answers, Transaction
    from tap_newstore_fulfillment.landing.sqlite_process import Answer

#: Characters or bytes of a transaction's parameters: what a socket takes at once, so that the event loop never waits.
LARGEST = 2**15
#: How long a transaction may take. Then the process stands still: it has waited for its lock by now.
TRANSACTION_SECONDS = LOCK_SECONDS + 10
#: How long the process may take to end when nothing is asked of it any more.
END_SECONDS = 1.0


class LoopProcess:
    """A process that runs a transaction at a time, and what calls back in the event loop when one has ended.

    Made in any thread; all the rest is for the event loop's.

    Args:
        engine: Of a SQLite file.
        questions: What will be executed, and what is asked about it in the same transaction; None: how many rows it
            has changed.

    Attributes:
        is_open: It can be used.

    Raises:
        OSError: the process cannot be started, or does not open the database.
    """

    def __init__(self, engine: sa.Engine, questions: Mapping[str, str | None]) -> None:
        self._numbers = {statement: number for number, statement in enumerate(questions)}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: Callable[[Answers | Failed], None] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._pipe, theirs = multiprocessing.Pipe()
        with theirs:
            descriptor = theirs.fileno()
            # It sees nothing of this package's environment, and starts in a fraction of the time.
            program = [sys.executable, "-I", "-S", sqlite_process.__file__, str(descriptor)]
            quiet = subprocess.DEVNULL
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and a file of this package
                program, pass_fds=[descriptor], stdin=quiet, stdout=quiet, stderr=quiet
            )
        self.is_open = True
        arguments, options = engine.dialect.create_connect_args(engine.url)
        try:
            statements = list(questions.items())
            opening = Opening(arguments=arguments, options=options, session=SQLITE_SESSION, statements=statements)
            self._pipe.send(opening)
            if not self._pipe.poll(CONNECT_SECONDS):
                raise TimeoutError("the process does not open the database")
            self._pipe.recv()
        except (OSError, EOFError) as error:
            self.close()
            raise OSError("the process does not open the database") from error

    def begin(self, transaction: Transaction, ended: Callable[[Answers | Failed], None]) -> None:
        """Begin a transaction, as `LoopConnection.begin` does; the rows are those of the statements' questions."""
        if not self.is_open:
            ended(Failed("the process has ended", is_lost=True))
            return
        values = (value for _, parameters in transaction for value in parameters)
        if sum(len(value) for value in values if isinstance(value, str | bytes)) > LARGEST:
            ended(Failed("it is too large for this way"))
            return
        self._ended = ended
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            loop.add_reader(self._pipe.fileno(), self._read)
        self._limit = loop.call_later(TRANSACTION_SECONDS, self._kill)
        try:
            self._pipe.send([(self._numbers[statement], parameters) for statement, parameters in transaction])
        except OSError:
            self._fail()

    def close(self) -> None:
        """End the process; nothing is called any more for what is under way."""
        if not self.is_open:
            return
        self.is_open = False
        if self._loop and not self._loop.is_closed():
            self._loop.remove_reader(self._pipe.fileno())
        self._loop = None
        if self._limit:
            self._limit.cancel()
        self._pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
            return
        self._process.kill()
        # On a disk that hangs not even that ends it.
        threading.Thread(target=self._process.wait, name="wait for a killed process", daemon=True).start()

    def _read(self) -> None:
        try:
            answer: Answer = self._pipe.recv()
        except (OSError, EOFError):
            self._fail()
            return
        if answer["error"] is None:
            self._end(answer["rows"])
        else:
            self._end(Failed(answer["error"], is_locked=answer["is_locked"], is_lost=answer["is_lost"]))

    def _kill(self) -> None:
        self._process.kill()
        self._fail()

    def _fail(self) -> None:
        self.close()
        self._end(Failed("the process has ended", is_lost=True))

    def _end(self, answer: Answers | Failed) -> None:
        ended, self._ended = self._ended, None
        if self._limit:
            self._limit.cancel()
            self._limit = None
        if ended:
            ended(answer)
