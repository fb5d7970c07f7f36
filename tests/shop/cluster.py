"""Two real PostgreSQL servers from a wheel, of which one follows the other, each on a port of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import typing as t
import uuid
from pathlib import Path

import psycopg

from tests.shop.postgresql import may_make_its_user, package
from tests.shop.process import environment, wait_until

if t.TYPE_CHECKING:
    from collections.abc import Iterator

STOP_SECONDS = 30
COMMAND_SECONDS = 60
HOST, USER, PASSWORD = "127.0.0.1", "postgres", "only-the-url-knows"
#: A killed process loses nothing that it has written; only a machine that loses power would.
OPTIONS = {"fsync": "off", "shared_buffers": "16MB", "max_wal_senders": "4", "wal_sender_timeout": "5s"}


class Server:
    """One server, dead or alive, in a directory and on a port that it keeps."""

    def __init__(self) -> None:
        # Not below pytest's directory: when pytest runs as root, the server's user may not enter it.
        self.directory = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self._wheel: t.Any = None
        self._owner = self.directory.stat()
        with socket.create_server((HOST, 0)) as free:
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of this server alone, without a database."""
        return f"postgresql://{USER}:{PASSWORD}@{HOST}:{self.port}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[t.Any, ...]]:
        """Run one statement as a transaction of its own and return its rows."""
        with psycopg.connect(f"{self.url}/{database}", autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def configure(self, name: str, value: str) -> None:
        """Change a setting of the running server."""
        self.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.execute("SELECT pg_reload_conf()")
        wait_until(lambda: self.execute(f"SHOW {name}") == [(value,)], f"{name} = {value!r}")

    def create(self) -> None:
        """Begin with no database at all."""
        with may_make_its_user():
            self._wheel = package().get_server(self.directory, start=False)
            self._wheel.ensure_pgdata_inited()
        self._owner = self.directory.stat()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
        with (self.directory / "server.log").open("ab") as log:
            places = ["-D", str(self.directory), "-h", HOST, "-p", str(self.port), "-k", ""]
            self._process = subprocess.Popen(
                [self._program("postgres"), *places, *options], stdout=log, stderr=log, **self._as_owner()
            )
        wait_until(self._answers, "a PostgreSQL server that answers")

    def stop(self) -> None:
        """Stop the server, cutting all its connections."""
        if self._process:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(STOP_SECONDS)
        self._process = None

    def kill(self) -> None:
        """Kill all processes of the server with SIGKILL, as when its machine dies."""
        assert self._process
        pid = self._process.pid
        children = _children(pid)
        # The first one last would have it start others.
        for process in (pid, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)
        self._process = None
        wait_until(lambda: not any(_runs(child) for child in children), "the end of all")

    def follow(self, primary: Server) -> None:
        """Begin anew as a standby of another server, from a copy of it."""
        shutil.rmtree(self.directory)
        self.directory.mkdir(mode=0o700)
        self._wheel, self._owner = primary._wheel, primary._owner
        os.chown(self.directory, self._owner.st_uid, self._owner.st_gid)
        copy = ["--pgdata", str(self.directory), "--dbname", primary.url, "--write-recovery-conf", "--no-sync"]
        subprocess.run(
            [self._program("pg_basebackup"), *copy, "--checkpoint=fast", "--wal-method=stream"],
            check=True,
            timeout=COMMAND_SECONDS,
            **self._as_owner(),
        )
        self.start()
        following = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        wait_until(lambda: primary.execute(following) == [(1,)], "a standby that follows")

    def remove(self) -> None:
        """Stop the server, and leave nothing of it."""
        if self._process:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _program(self, name: str) -> str:
        return str(self._wheel.bin_path / name)

    def _as_owner(self) -> dict[str, t.Any]:
        """Return how to start a program that refuses to run as root."""
        variables = {"env": environment(), "cwd": self.directory}
        if os.geteuid() != 0:
            return variables
        return {**variables, "user": self._owner.st_uid, "group": self._owner.st_gid, "extra_groups": []}

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            return bool(self.execute("SELECT 1"))
        assert self._process
        assert self._process.poll() is None, (self.directory / "server.log").read_text(encoding="utf-8")
        return False


def _children(pid: int) -> list[int]:
    """Return the processes a process has started: by Linux's own list, elsewhere by what `ps` knows."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if listed.exists():
        return [int(child) for child in listed.read_text(encoding="ascii").split()]
    rows = subprocess.run(["ps", "-A", "-o", "ppid=,pid="], capture_output=True, text=True, check=True).stdout
    pairs = (map(int, row.split()) for row in rows.splitlines())
    return [child for parent, child in pairs if parent == pid]


def _runs(pid: int) -> bool:
    """Return whether a process is there, and no zombie that nobody has waited for."""
    if (process := Path(f"/proc/{pid}")).parent.is_dir():
        return (process / "exe").exists()
    asked = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return asked.returncode == 0 and not asked.stdout.strip().startswith("Z")


class Cluster:
    """A primary and its standby. Use it in a `with` block.

    Args:
        is_synchronous: Whether a commit returns only when the standby has it.

    Attributes:
        primary: The one that takes writes.
        standby: The one that follows.
    """

    def __init__(self, *, is_synchronous: bool) -> None:
        self._is_synchronous = is_synchronous
        with contextlib.ExitStack() as stack:
            self.primary = _removed_by(stack)
            self.standby = _removed_by(stack)
            #: In the order of the URL, which stays the same.
            self._ports = [self.primary.port, self.standby.port]
            self.primary.create()
            self.primary.start()
            self.rejoin()
            self._closing = stack.pop_all()

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing.close()

    def new_database(self) -> str:
        """Create an empty database and return its URL, with both servers."""
        name = f"test_{uuid.uuid4().hex}"
        self.primary.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def url(self, database: str) -> str:
        """Return the URL of a database, with both servers."""
        hosts = ",".join(f"{HOST}:{port}" for port in self._ports)
        return f"postgresql://{USER}:{PASSWORD}@{hosts}/{database}?target_session_attrs=read-write"

    def catch_up(self) -> None:
        """Wait until the standby has all that the primary has."""
        ((written,),) = self.primary.execute("SELECT pg_current_wal_lsn()")
        behind = f"SELECT '{written}' <= pg_last_wal_replay_lsn()"
        wait_until(lambda: self.standby.execute(behind) == [(True,)], "a standby that has all")

    def stop_following(self) -> None:
        """Let the standby have all there is, and nothing that comes from now on."""
        self.catch_up()
        self.standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
        self.standby.execute("SELECT pg_reload_conf()")
        received = "SELECT count(*) FROM pg_stat_wal_receiver"
        wait_until(lambda: self.standby.execute(received) == [(0,)], "a standby that no longer follows")

    def promote(self) -> None:
        """Make the standby the primary."""
        self.primary, self.standby = self.standby, self.primary
        self.primary.execute("SELECT pg_promote()")

    def rejoin(self) -> None:
        """Make the dead server a standby of the living one."""
        self.standby.follow(self.primary)
        if self._is_synchronous:
            # The copy was made before, so a promoted standby waits for nobody.
            self.primary.configure("synchronous_standby_names", "*")


def _removed_by(stack: contextlib.ExitStack) -> Server:
    server = Server()
    stack.callback(server.remove)
    return server


@contextlib.contextmanager
def former_primary(cluster: Cluster) -> Iterator[None]:
    """Promote the standby beside a primary that is alive, and takes no writes any more."""
    former = cluster.primary
    former.configure("default_transaction_read_only", "on")
    cluster.promote()
    yield
    former.stop()
