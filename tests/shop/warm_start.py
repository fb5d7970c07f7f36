"""Starts the project's commands quickly: forked from a process that has imported everything.

Each is a real process with its own pipes and can be killed like any other, but it starts in a small fraction of a
second instead of most of one. `Forks` is the caller's side, `python -m tests.shop.warm_start` the other.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import typing as t
from pathlib import Path

from tests.shop.process import environment

if t.TYPE_CHECKING:
    from collections.abc import Sequence

STOP_SECONDS = 30
MOST_BYTES = 1 << 16


class Forks:
    """Starts forked commands. Use it in a `with` block.

    Args:
        module: What imports and forks them.
        variables: Of the environment of all of them.
    """

    def __init__(self, module: str = __spec__.name, **variables: str) -> None:
        self._module = module
        self._variables = variables

    def __enter__(self) -> t.Self:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            command = [sys.executable, "-m", self._module, str(theirs.fileno())]
            self._server = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], env=environment(**self._variables), cwd=Path(__file__).parents[2]
            )
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()
        self._server.wait(STOP_SECONDS)

    def start(
        self, arguments: Sequence[str], stdin: t.Any, stderr: t.IO[bytes], stdout: t.IO[bytes] | None = None
    ) -> ForkedProcess:
        """Start a command.

        Args:
            arguments: The command, as returned by `command`, and its arguments.
            stdin: A file, or None for no input.
            stderr: A file.
            stdout: A file, or None for a pipe.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs, contextlib.ExitStack() as stack:
            pipe = None
            if stdout is None:
                reading, writing = os.pipe()
                stack.callback(os.close, writing)
                pipe = os.fdopen(reading, encoding="utf-8")
            else:
                writing = stdout.fileno()
            source = stack.enter_context(Path(os.devnull).open("rb")) if stdin is None else stdin
            files = [source.fileno(), writing, stderr.fileno(), theirs.fileno()]
            socket.send_fds(self._socket, [json.dumps(list(arguments)).encode()], files)
            assert self._socket.recv(1), "the forking process has ended"
        return ForkedProcess(ours, pipe)


class ForkedProcess:
    """A running command, with the part of `subprocess.Popen`'s interface that the tests need.

    Attributes:
        pid: Its process id.
        stdout: Its output, if that is a pipe.
        returncode: Exit code; negative if a signal ended it, None while it runs.
    """

    def __init__(self, control: socket.socket, stdout: t.TextIO | None) -> None:
        self._control = control.makefile("r")
        self._socket = control
        self.pid = int(self._control.readline())
        self.stdout = stdout
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._wait(0)

    def wait(self, timeout: float) -> int:
        """Wait until it ends and return the exit code."""
        code = self._wait(timeout)
        assert code is not None, f"process {self.pid} does not end within {timeout} s"
        return code

    def communicate(self, timeout: float) -> tuple[str, None]:
        """Read its output until it ends."""
        assert self.stdout
        with self.stdout:
            output = self.stdout.read()
        self.wait(timeout)
        return output, None

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it is still running."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _wait(self, seconds: float) -> int | None:
        if self.returncode is None:
            self._socket.settimeout(seconds)
            with contextlib.suppress(BlockingIOError, TimeoutError):
                status = self._socket.recv(MOST_BYTES)
                self.returncode = os.waitstatus_to_exitcode(int(status))
                self._control.close()
                self._socket.close()
        return self.returncode


def serve(requests: socket.socket) -> None:
    """Fork a command for each request, until the caller hangs up."""
    commands = _commands()
    # The supervisor waits for its command; nobody waits for the supervisor.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        body, files, _, _ = socket.recv_fds(requests, MOST_BYTES, 4)
        if not body:
            return
        if os.fork() == 0:
            requests.close()
            _supervise(commands, json.loads(body), files)
        for file in files:
            os.close(file)
        requests.send(b".")


def _supervise(commands: dict[str, t.Callable[[], object]], arguments: list[str], files: list[int]) -> t.NoReturn:
    """Fork the command, report its id, wait, and report its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        for number, file in enumerate(files[:3]):
            os.dup2(file, number)
        for file in files:
            os.close(file)
        sys.argv = arguments
        sys.exit(commands[Path(arguments[0]).name]())  # type: ignore[arg-type]
    control = files.pop()
    for file in files:
        os.close(file)
    os.write(control, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(control, str(status).encode())
    os._exit(0)


def _commands() -> dict[str, t.Callable[[], object]]:
    """Import all commands and return their entry points."""
    from mapper_newstore_stock.mapper import MapperNewStoreStock  # noqa: PLC0415 - only this process needs them
    from newstore_sandbox.__main__ import main as sandbox  # noqa: PLC0415
    from tap_newstore_fulfillment.receiver.command import main as receiver  # noqa: PLC0415
    from tap_newstore_fulfillment.tap import TapNewStoreFulfillment  # noqa: PLC0415
    from target_newstore_stock.target import TargetNewStoreStock  # noqa: PLC0415

    plugins = (TapNewStoreFulfillment, MapperNewStoreStock, TargetNewStoreStock)
    commands: dict[str, t.Callable[[], object]] = {plugin.name: plugin.cli for plugin in plugins}
    return {**commands, "newstore-sandbox": sandbox, "newstore-event-receiver": receiver}


def main() -> None:
    """Serve on the socket whose number is the only argument."""
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        serve(requests)


if __name__ == "__main__":
    main()
