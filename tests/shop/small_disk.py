"""A disk that fills up: a process sees one of a few kilobytes where others see a directory."""

from __future__ import annotations

import functools
import subprocess
import typing as t

import pytest

from tests.shop.warm_start import Fresh

if t.TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: A name space of mounts that nobody else sees; also for who is not root.
ALONE = ("unshare", "--map-root-user", "--mount")
MOUNT = 'mount -t tmpfs -o size="$1"k,mode=700 none "$2" && shift 2 && exec "$@"'


class SmallDisk(Fresh):
    """Starts processes that see a small disk of their own in place of a directory.

    Args:
        directory: The directory.
        kilobytes: How much the disk holds.
    """

    def __init__(self, directory: Path, kilobytes: int) -> None:
        if not _can_be_had():
            pytest.skip("no mounts of one's own can be had here (unshare --map-root-user --mount)")
        directory.mkdir(parents=True, exist_ok=True)
        self._mount = (*ALONE, "sh", "-c", MOUNT, "sh", str(kilobytes), str(directory))

    def start(self, arguments: Sequence[str], *files: t.Any, **options: t.Any) -> subprocess.Popen[str]:
        """Start a command as `Fresh.start` does."""
        return super().start([*self._mount, *arguments], *files, **options)


@functools.cache
def _can_be_had() -> bool:
    try:
        return subprocess.run([*ALONE, "mount", "-t", "tmpfs", "none", "/mnt"], check=False).returncode == 0
    except OSError:
        return False
