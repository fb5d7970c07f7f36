"""What is built of a package: its wheel and its source distribution, and what they hold."""

from __future__ import annotations

import email.parser
import subprocess
import tarfile
import typing as t
import zipfile

from tests.documentation.plugins import PROJECT
from tests.shop.process import command, environment

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from pathlib import Path

#: What the build adds to an archive, and where it keeps the licence.
OF_A_WHEEL = {"METADATA", "WHEEL", "entry_points.txt", "RECORD", "licenses/LICENSE"}
OF_A_SOURCE = {"PKG-INFO", ".gitignore"}


class Built(t.NamedTuple):
    """What was built of a package.

    Attributes:
        package: Its directory.
        wheel: The wheel, built from the source distribution.
        source: The source distribution.
    """

    package: Path
    wheel: Path
    source: Path

    @property
    def module(self) -> str:
        """The name it is imported by."""
        return self.package.name.replace("-", "_")

    @property
    def metadata(self) -> Message:
        """The metadata of the wheel."""
        (name,) = (name for name in self.names if name.endswith(".dist-info/METADATA"))
        text = zipfile.ZipFile(self.wheel).read(name).decode()
        return email.parser.Parser().parsestr(text)

    @property
    def names(self) -> list[str]:
        """The names of the files in the wheel."""
        return zipfile.ZipFile(self.wheel).namelist()

    def problems(self) -> Iterator[str]:
        """Yield what is in an archive and does not belong there, and what belongs there and is not in it."""
        tracked = set(_tracked(self.package))
        prefix = f"{self.wheel.name.rsplit('-', 3)[0]}"
        modules = {name for name in tracked if name.startswith(f"{self.module}/")}
        added = {f"{prefix}.dist-info/{name}" for name in OF_A_WHEEL}
        yield from _differences(self.wheel.name, set(self.names), modules | added)
        with tarfile.open(self.source) as archive:
            found = {name.partition("/")[2] for name in archive.getnames()}
        yield from _differences(self.source.name, found, tracked | OF_A_SOURCE)


def build(package: Path, directory: Path) -> Built:
    """Build a package into a directory: the source distribution, and the wheel from it."""
    run(command("uv"), "build", "--quiet", "--out-dir", directory, package)
    stem = package.name.replace("-", "_")
    (wheel,) = directory.glob(f"{stem}-*.whl")
    (source,) = directory.glob(f"{stem}-*.tar.gz")
    return Built(package, wheel, source)


def run(*arguments: str | Path) -> str:
    """Run a command to its end, and return what it printed.

    Raises:
        AssertionError: it failed; says why.
    """
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment(), timeout=600, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, arguments))}: {done.stdout}{done.stderr}"
    return done.stdout


def _tracked(package: Path) -> list[str]:
    listed = run("git", "-C", PROJECT, "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", package)
    base = package.relative_to(PROJECT).as_posix() + "/"
    return [name.removeprefix(base) for name in listed.split("\0") if name]


def _differences(archive: str, found: set[str], wanted: set[str]) -> Iterator[str]:
    for name in sorted(found - wanted):
        yield f"{archive} holds {name}, which does not belong there"
    for name in sorted(wanted - found):
        yield f"{archive} lacks {name}"
