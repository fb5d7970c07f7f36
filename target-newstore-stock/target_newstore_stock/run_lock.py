"""Lets one run at a time import into a NewStore (design rules 9 and 10).

The mapper's lock on its ledger ends with the mapper, before the target's last imports. A second run
could then import newer numbers between two of them, and the first would overwrite these with older
ones. On one machine a lock keeps the second run out. It belongs to the process and ends with it, so a
killed run blocks nobody. Runs on two machines: other_runs.py.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import os
import socket
import stat
import tempfile
from pathlib import Path

import filelock

from target_newstore_stock.errors import ConfigurationError, SecondRunError

ADVICE = "Remove it, or set TMPDIR to a directory that is yours alone"


class RunLock:
    """This machine's lock for runs of a provider into a tenant through a staging place.

    Args:
        owner: Provider and tenant.
        places: URLs of the API and the staging place.

    Raises:
        ConfigurationError: there is no directory for it that is this user's alone.
    """

    def __init__(self, owner: str, *places: str) -> None:
        self._owner = owner
        digest = hashlib.sha256("\n".join((owner, *places)).encode()).hexdigest()[:16]
        self._path = _own_directory() / f"{digest}.lock"
        self._lock = filelock.FileLock(self._path, timeout=0)

    def acquire(self) -> None:
        """Take the lock, or keep it.

        Raises:
            SecondRunError: another run has it.
        """
        if self._lock.is_locked:
            return
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise SecondRunError(
                f"another run imports for {self._owner}: {self._holder()}. Nothing was imported; run again when "
                f"that run has ended"
            ) from None
        since = dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")
        me = f"process {os.getpid()} on host {socket.gethostname()}, since {since}"
        self._path.write_text(f"{me}\n", encoding="utf-8")

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()

    def holder(self) -> str:
        """Return who has the lock; empty: nobody."""
        try:
            with self._path.open("rb") as file:
                # Shared and at once let go of: what is asked is only whether it can be had.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return ""
        except BlockingIOError:
            return self._holder()
        return ""

    def _holder(self) -> str:
        return self._path.read_text(encoding="utf-8").strip() or "its name is not written down yet"


def _own_directory() -> Path:
    """Return a directory of this user's: in the temporary one, others could plant a link under the lock's name.

    Raises:
        ConfigurationError: somebody else has taken its name.
    """
    path = Path(tempfile.gettempdir()) / f"target-newstore-stock-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise ConfigurationError(f"{path}: the run's lock cannot be kept there: {error.strerror}. {ADVICE}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise ConfigurationError(f"{path}: the run's lock cannot be kept there: others may write to it. {ADVICE}")
    return path
