"""The bytes of a list: opened wherever it lies and whatever it is packed in, and handed on while they are read."""

from __future__ import annotations

import io
import re
import typing as t
import zipfile

import fsspec

from mapper_newstore_stock.errors import NotWholeError
from mapper_newstore_stock.masking import in_text, masked
from mapper_newstore_stock.run.web_lists import cause, options

if t.TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable

NAMED_MEMBERS = 5
#: How a URL begins that lacks a colon or a slash, and passes for a path.
MISTYPED = re.compile(r"[A-Za-z][\w+.-]+(?://|:/)")
#: Stands between two protocols in a URL of fsspec.
CHAINED = re.compile(r"::(?=[\w+.-]+://)")
#: What the Finder of a Mac adds to a zip.
NO_MEMBERS = ("__MACOSX/",)


class HandedOn(io.RawIOBase):
    """Hands on what is read from a stream."""

    def __init__(self, stream: t.BinaryIO, take: Callable[[bytes], None]) -> None:
        self._stream, self._take = stream, take

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: t.Any) -> int:
        """Read as much as a buffer holds, or less."""
        block = self._stream.read(len(buffer))
        self._take(block)
        buffer[: len(block)] = block
        return len(block)


def open_bytes(url: str, resources: contextlib.ExitStack) -> t.Any:
    """Open a file and what it is packed in: a gzip, or a zip of one file.

    Raises:
        OnHandError: a zip holds another number of files.
        OSError and others: it cannot be read; each store and each kind of archive raises its own kinds.
    """
    opened = fsspec.open(url, "rb", compression="infer", **options(url))
    if opened.compression != "zip":
        return resources.enter_context(opened)
    opened.compression = None
    archive = resources.enter_context(zipfile.ZipFile(resources.enter_context(opened)))
    members = [
        member for member in archive.infolist() if not (member.is_dir() or member.filename.startswith(NO_MEMBERS))
    ]
    if len(members) != 1:
        names = ", ".join(member.filename for member in members[:NAMED_MEMBERS])
        held = f"{len(members)} files ({names})" if members else "no file"
        raise NotWholeError(
            f"{shown_url(url)}: the zip holds {held}, expected one. Let the ERP zip each list alone, or name "
            f"one: zip://FILE::{shown_url(url)}"
        )
    return resources.enter_context(archive.open(members[0]))


def shown_url(url: str) -> str:
    """Return a URL as errors show it: without passwords, keys and signatures."""
    if "://" not in url:
        mistyped = MISTYPED.match(url)
        return f"{mistyped[0]}…" if mistyped else url
    return "::".join(masked(part) for part in CHAINED.split(url))


def named(error: BaseException, url: str) -> str:
    """Return an error's first line without what a URL must not show."""
    error = cause(error)
    if isinstance(error, ValueError) and "://" in url:
        # It quotes what it could not parse.
        return type(error).__name__
    text = (str(error) or type(error).__name__).replace(url, shown_url(url)).splitlines()[0]
    return re.sub(r"\?\S*", "", in_text(text)) if "://" in url else text
