"""Lists that are directories: their part files, which together are one list, as warehouses export them."""

from __future__ import annotations

import re
import typing as t

from fsspec.implementations.local import LocalFileSystem

from mapper_newstore_stock.errors import NotWholeError, OnHandError
from mapper_newstore_stock.run.list_bytes import shown_url

#: How the names of Parquet files end.
ENDINGS = (".parquet", ".parq")
#: Protocols before another one that name no file, as in `simplecache::s3://exports/stock.parquet`.
ALONE = re.compile(r"^(?:[\w+.-]+::)+")
#: How names begin, and end, of what lies beside the parts: markers, checksums, what is still being written.
NO_PARTS, CHECKSUMS = ("_", "."), ".crc"
#: How stores call the size of a file, and what else changes with it.
STATE = ("size", "mtime", "LastModified", "ETag", "etag", "last_modified", "updated")


class NoPartsError(NotWholeError):
    """A directory has no part of a list in it: none is written yet, or it was emptied."""


class Part(t.NamedTuple):
    """One file of a list.

    Attributes:
        path: As its store names it.
        state: What changes when it is written again, as far as its store says.
    """

    path: str
    state: str = ""

    def shown(self, filesystem: t.Any) -> str:
        """Return what errors call it."""
        return _shown(filesystem, self.path)


def is_parquet(url: str) -> bool:
    """Return whether a URL names Parquet: its name says so, or that it is a directory of part files."""
    name = ALONE.sub("", url).partition("::")[0]
    # A signed URL goes on behind the name.
    return is_directory(url) or (re.split("[?#]", name)[0] if "://" in name else name).lower().endswith(ENDINGS)


def is_directory(url: str) -> bool:
    """Return whether a URL names a directory of part files."""
    return url.endswith("/")


def parts_of(filesystem: t.Any, path: str) -> list[Part]:
    """Return the part files of a directory as they are now, in order of their names.

    Args:
        filesystem: The store, as fsspec opens it.
        path: The directory, as the store names it.

    Raises:
        NoPartsError: there is none.
        OnHandError: parts lie in directories below it.
        OSError and others: it cannot be looked at; each store raises its own kinds.
    """
    found, place = [], path.rstrip("/")
    # What a client remembers of an earlier look is not what is there.
    filesystem.invalidate_cache(place)
    for entry in filesystem.ls(place, detail=True):
        inside = entry["name"].rstrip("/")
        name = inside.rpartition("/")[2]
        # Object stores may list the directory itself, as an empty object.
        if inside == place or name.startswith(NO_PARTS) or name.endswith(CHECKSUMS):
            continue
        if entry["type"] == "directory":
            raise OnHandError(
                f"{_shown(filesystem, inside)}: a directory among the parts of a list, whose rows would be missing. "
                f"Let the ERP write all parts into one directory, not partitioned by a column"
            )
        found.append(Part(entry["name"], str([entry.get(name) for name in STATE])))
    if not found:
        raise NoPartsError(
            f"{_shown(filesystem, place)}/: there is no part of a list in it, as if nothing were "
            f"on hand anywhere. Nothing was sent. Let the ERP write it again"
        )
    return sorted(found)


def _shown(filesystem: t.Any, path: str) -> str:
    return path if isinstance(filesystem, LocalFileSystem) else shown_url(filesystem.unstrip_protocol(path))
