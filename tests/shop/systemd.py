"""systemd as process 1 of name spaces of its own: it starts units for real, and changes nothing of this machine."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

from tests.shop.process import wait_until

SYSTEMD = Path("/lib/systemd/systemd")
JOURNAL = ("systemd-journald.service", "systemd-journald.socket")
#: Targets that units are ordered by; there is nothing else to start.
TARGETS = ("basic", "multi-user", "network-online", "shutdown", "sockets", "sysinit", "timers")
ALONE = ("unshare", "--fork", "--pid", "--mount", "--cgroup", "--mount-proc", "--kill-child")
#: root's, which the caller need not have.
PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
#: Directories that get a layer of their own: what is written there is gone with the process.
LAYERED = ("etc", "opt", "srv", "var/lib")
BOOT = f"""
mount -t tmpfs none "$1/layers"
for directory in {" ".join(LAYERED)}; do
    mkdir -p "$1/layers/$directory/upper" "$1/layers/$directory/work"
    mount -t overlay none "/$directory" \
        -o "lowerdir=/$directory,upperdir=$1/layers/$directory/upper,workdir=$1/layers/$directory/work"
done
mount --bind "$1/units" /etc/systemd/system
mount -t tmpfs none /run
mount -t cgroup2 none /sys/fs/cgroup
exec env -i {PATH} container=tests SYSTEMD_UNIT_PATH=/etc/systemd/system {SYSTEMD} --log-target=console
"""
SECONDS = 120


class Systemd:
    """A systemd that knows no units but those in `units`; inside, that is `/etc/systemd/system`.

    Use it in a `with` block. Where none can be had, the test is skipped.

    Args:
        directory: For what it needs; made here.
    """

    def __init__(self, directory: Path) -> None:
        cgroups = _cgroups()
        if os.geteuid() or not SYSTEMD.exists() or not shutil.which("nsenter") or not cgroups:
            pytest.skip("no systemd of one's own can be had here (needs root, systemd, util-linux and a cgroup2)")
        self.units = directory / "units"
        self.units.mkdir(parents=True)
        (directory / "layers").mkdir()
        for target in TARGETS:
            (self.units / f"{target}.target").write_text("[Unit]\nDefaultDependencies=no\n", encoding="utf-8")
        for unit in JOURNAL:
            shutil.copy(SYSTEMD.parent / "system" / unit, self.units)
        text = "[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\n"
        (self.units / "default.target").write_text(text, encoding="utf-8")
        self._cgroup = cgroups / f"newstore-tests-{os.getpid()}"
        self._cgroup.mkdir()
        into_cgroup = f"echo $$ > {self._cgroup}/cgroup.procs && exec "
        self._log = directory / "systemd.log"
        with self._log.open("wb") as log:
            boot = [*ALONE, "sh", "-euc", BOOT, "sh", str(directory)]
            self._process = subprocess.Popen(["sh", "-ec", into_cgroup + '"$@"', "sh", *boot], stdout=log, stderr=log)
        try:
            wait_until(self._runs, "systemd that runs")
        except AssertionError:
            self._end()
            pytest.skip(f"systemd does not start here: {self._log.read_text(encoding='utf-8')}")

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._end()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root."""
        first = self._children()[0]
        inside = ("nsenter", "--target", first, "--mount", "--pid", "--cgroup", "env", PATH, *arguments)
        return subprocess.run(inside, capture_output=True, text=True, timeout=SECONDS, check=False)

    def show(self, unit: str, name: str) -> str:
        """Return what systemd knows of a unit by a name."""
        return self.run("systemctl", "show", f"--property={name}", "--value", unit).stdout.strip()

    def journal(self, unit: str) -> str:
        """Return what a unit has said."""
        return self.run("journalctl", f"--unit={unit}", "--output=cat", "--no-pager").stdout

    def _runs(self) -> bool:
        return bool(self._children()) and self.run("systemctl", "is-system-running").stdout.strip() == "running"

    def _children(self) -> list[str]:
        pid = self._process.pid
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
        return []

    def _end(self) -> None:
        # Its process 1 ends with it, and with that all others, and all mounts.
        self._process.kill()
        self._process.wait(SECONDS)
        wait_until(self._is_empty, "end of its processes")

    def _is_empty(self) -> bool:
        for directory, _directories, _files in os.walk(self._cgroup, topdown=False):
            with contextlib.suppress(OSError):
                Path(directory).rmdir()
        return not self._cgroup.exists()


@functools.cache
def _cgroups() -> Path | None:
    """Return where the control groups of version 2 are mounted, if they can be written to."""
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _device, place, kind, *_rest = line.split()
        if kind == "cgroup2" and os.access(place, os.W_OK):
            return Path(place)
    return None
