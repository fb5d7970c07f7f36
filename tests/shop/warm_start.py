"""Starts the project's commands quickly: forked from a process that has imported everything.

Each is a real process with its own pipes, environment and directory, and can be killed like any other, but it starts
in a small fraction of a second instead of most of one. `Forks` is the caller's side, `python -m tests.shop.warm_start`
the other.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import importlib.metadata
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

STOP_SECONDS = 30
MOST_BYTES = 1 << 17
PACKAGES = (
    "tap_newstore_fulfillment",
    "mapper_newstore_stock",
    "target_newstore_stock",
    "newstore_sandbox",
    "newstore_erp_postgresql",
)
#: Variables that a process reads before it could be told: whoever sets them gets a fresh one.
READ_AT_START = ("PYTHON", "LD_")


def command(name: str) -> str:
    """Return the path of a command installed beside this Python."""
    return str(Path(sys.executable).parent / name)


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without the project's settings, plus these variables."""
    ours = ("TAP_NEWSTORE", "MAPPER_NEWSTORE", "TARGET_NEWSTORE", "NEWSTORE_SANDBOX", "MELTANO_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | variables


@functools.cache
def entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the entry points of the project's commands."""
    scripts = importlib.metadata.entry_points(group="console_scripts")
    return {script.name: script for script in scripts if script.module.partition(".")[0] in PACKAGES}


def starter(arguments: Sequence[str], variables: Mapping[str, str] | None = None) -> Forks | Fresh:
    """Return what starts a command with these variables: it is forked if it can be."""
    name = Path(arguments[0]).name
    is_ours = arguments[0] == command(name) and name in entry_points()
    return _forks() if is_ours and not any(name.startswith(READ_AT_START) for name in variables or ()) else Fresh()


@functools.cache
def _forks() -> Forks:
    """Return what forks commands for this process as long as it lives."""
    found = Forks()
    found.__enter__()
    atexit.register(found.__exit__)
    return found


class Fresh:
    """Starts fresh processes, as a user does."""

    def start(
        self,
        arguments: Sequence[str],
        stdin: t.Any,
        stderr: t.IO[bytes],
        stdout: t.IO[bytes] | None = None,
        *,
        variables: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.Popen[str]:
        """Start a command as `Forks.start` does."""
        return subprocess.Popen(
            arguments,
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or subprocess.PIPE,
            stderr=stderr,
            env=environment(**(variables or {})),
            cwd=cwd,
            text=True,
        )


class Forks:
    """Starts forked commands. Use it in a `with` block.

    Args:
        module: What imports and forks them.
        variables: Of the environment of all of them.
    """

    def __init__(self, module: str = __spec__.name, **variables: str) -> None:
        self._module = module
        self._variables = variables
        self._one_at_a_time = threading.Lock()

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
        self,
        arguments: Sequence[str],
        stdin: t.Any,
        stderr: t.IO[bytes],
        stdout: t.IO[bytes] | None = None,
        *,
        variables: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> ForkedProcess:
        """Start a command.

        Args:
            arguments: The command, as returned by `command`, and its arguments.
            stdin: A file, or None for no input.
            stderr: A file.
            stdout: A file, or None for a pipe.
            variables: More of the environment's.
            cwd: Where it starts; None: where this process is.
        """
        settings = {
            "arguments": [str(argument) for argument in arguments],
            "environment": environment(**self._variables, **(variables or {})),
            "cwd": str(cwd or Path.cwd()),
            "umask": _umask(),
        }
        ours, theirs = socket.socketpair()
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
            with self._one_at_a_time:
                # The length first: a long message may come in parts.
                body = json.dumps(settings).encode()
                socket.send_fds(self._socket, [len(body).to_bytes(4)], files)
                self._socket.sendall(body)
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
        self._control = control
        self._said = b""
        self.pid = int(self._line())
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
            self._control.settimeout(seconds)
            with contextlib.suppress(BlockingIOError, TimeoutError):
                self.returncode = os.waitstatus_to_exitcode(int(self._line()))
                self._control.close()
        return self.returncode

    def _line(self) -> bytes:
        """Return the next line from the supervisor: a quick command's id and exit status may be there at once."""
        while b"\n" not in self._said:
            received = self._control.recv(MOST_BYTES)
            assert received, "the supervisor has ended"
            self._said += received
        line, _, self._said = self._said.partition(b"\n")
        return line


def _umask() -> int:
    """Return what this process takes from the modes of new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def serve(requests: socket.socket) -> None:
    """Fork a command for each request, until the caller hangs up."""
    commands = _commands()
    # What is there stays for ever: no child looks at it again, or copies it.
    gc.collect()
    gc.freeze()
    # The supervisor waits for its command; nobody waits for the supervisor.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        length, files, _, _ = socket.recv_fds(requests, 4, 4)
        if not length:
            return
        settings = json.loads(requests.recv(int.from_bytes(length), socket.MSG_WAITALL))
        if os.fork() == 0:
            requests.close()
            _supervise(commands, settings, files)
        for file in files:
            os.close(file)
        requests.send(b".")


def _supervise(
    commands: Mapping[str, Callable[[], object]], settings: dict[str, t.Any], files: list[int]
) -> t.NoReturn:
    """Fork the command, report its id, wait, and report its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        _become(settings, files)
        sys.exit(commands[Path(sys.argv[0]).name]())  # type: ignore[arg-type]
    control = files.pop()
    for file in files:
        os.close(file)
    os.write(control, b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    os.write(control, b"%d\n" % status)
    os._exit(0)


def _become(settings: dict[str, t.Any], files: list[int]) -> None:
    """Take on the streams, arguments, environment and directory of the command."""
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    sys.argv = settings["arguments"]
    os.environ.clear()
    os.environ.update(settings["environment"])
    os.chdir(settings["cwd"])
    os.umask(settings["umask"])
    time.tzset()
    # It may have been looked for while modules were imported.
    tempfile.tempdir = None


def _commands() -> dict[str, Callable[[], object]]:
    """Import all there is, and return the commands."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return {name: found.load() for name, found in entry_points().items()}


def main() -> None:
    """Serve on the socket whose number is the only argument."""
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        serve(requests)


if __name__ == "__main__":
    main()
