"""What a store lists below a prefix, without ever holding the whole listing: there may be a million files.

S3, where NewStore writes, lists page by page, and a local disk entry by entry. Of any other store fsspec
returns one directory at a time.
"""

from __future__ import annotations

import os
import typing as t

from fsspec.implementations.local import LocalFileSystem

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Info = t.Mapping[str, t.Any]


def listed(filesystem: t.Any, root: str, first: str) -> Iterator[Info]:
    """Yield what the store says of each file below a root, in any order.

    Args:
        filesystem: fsspec's.
        root: A directory or prefix, without a slash at its end.
        first: Files whose names sort before it are not needed, and left out where that saves requests.

    Raises:
        FileNotFoundError: there is nothing at all.
    """
    if is_s3(filesystem):
        return _pages(filesystem, root, first)
    if isinstance(filesystem, LocalFileSystem):
        return _entries(filesystem, root)
    return _directories(filesystem, root)


def is_s3(filesystem: t.Any) -> bool:
    """Return whether the store speaks S3; its package may not be installed."""
    return hasattr(filesystem, "call_s3")


def _pages(filesystem: t.Any, root: str, first: str) -> Iterator[Info]:
    bucket, key, _ = filesystem.split_path(root)
    common = {"Bucket": bucket, "Prefix": f"{key}/" if key else "", **filesystem.req_kw}
    place: dict[str, str] = {}
    while True:
        page: Mapping[str, t.Any] = filesystem.call_s3("list_objects_v2", **common, **place)
        entries = page.get("Contents") or ()
        if not entries and not place:
            raise FileNotFoundError(root)
        for entry in entries:
            yield {**entry, "name": f"{bucket}/{entry['Key']}", "size": entry["Size"]}
        if not page.get("IsTruncated"):
            return
        place = _next_place(page, entries[-1]["Key"] if entries else "", first)


def _next_place(page: Mapping[str, t.Any], last: str, first: str) -> dict[str, str]:
    """Return where the next page begins: S3 lists in the order of names, so what is not needed can be passed over."""
    directory, slash, name = last.rpartition("/")
    if last and name < first:
        return {"StartAfter": f"{directory}{slash}{first}"}
    return {"ContinuationToken": page["NextContinuationToken"]}


def _entries(filesystem: LocalFileSystem, root: str) -> Iterator[Info]:
    waiting = [root or "/"]
    while waiting:
        directory = waiting.pop()
        try:
            entries = os.scandir(directory)
        except FileNotFoundError:
            if directory == root:
                raise
            continue  # Removed since its parent was listed.
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif info := _info(filesystem, entry):
                    yield info


def _info(filesystem: LocalFileSystem, entry: os.DirEntry[str]) -> Info | None:
    """Return what fsspec says of an entry; None: it has been removed since it was listed."""
    try:
        return t.cast("Info", filesystem.info(entry))
    except FileNotFoundError:
        return None


def _directories(filesystem: t.Any, root: str) -> Iterator[Info]:
    # By default a directory that cannot be listed is silently left out.
    for _, _, files in filesystem.walk(root, detail=True, on_error="raise"):
        yield from files.values()
