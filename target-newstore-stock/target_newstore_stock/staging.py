"""Where stock files wait until NewStore fetches them."""

from __future__ import annotations

import typing as t
import urllib.parse

import fsspec

from target_newstore_stock.errors import StagingError

if t.TYPE_CHECKING:
    from collections.abc import Callable

#: NewStore fetches the file some time after the start call; a presigned link must outlive it.
LINK_SECONDS = 7 * 24 * 3600


class Staging:
    """A place for files, and the links that lead to them.

    Args:
        url: fsspec URL of a directory or prefix.
        link: `presigned`, `uri`, or an https base URL that serves the directory.
    """

    def __init__(self, url: str, link: str) -> None:
        try:
            self._filesystem, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise StagingError(f"staging_url: {error}") from error
        self._link = link

    def write(self, name: str, write: Callable[[t.IO[bytes]], None]) -> str:
        """Write a file and give the link NewStore fetches it by.

        Args:
            name: File name, new for each import.
            write: Writes the content into the open file.

        Raises:
            StagingError: it could not be written or linked.
        """
        path = f"{self._root.rstrip('/')}/{name}"
        try:
            self._filesystem.makedirs(self._root, exist_ok=True)
            with self._filesystem.open(path, "wb") as file:
                write(file)
            return self._link_to(path, name)
        except (OSError, ValueError, NotImplementedError) as error:
            raise StagingError(f"staging_url: cannot write {path}: {error or type(error).__name__}") from error

    def _link_to(self, path: str, name: str) -> str:
        if self._link == "uri":
            return str(self._filesystem.unstrip_protocol(path))
        if self._link != "presigned":
            return f"{self._link.rstrip('/')}/{urllib.parse.quote(name)}"
        try:
            return str(self._filesystem.sign(path, expiration=LINK_SECONDS))
        except NotImplementedError as error:
            raise StagingError(
                "staging_link: presigned links need an object store; for a directory give the https base URL "
                "that serves it"
            ) from error
