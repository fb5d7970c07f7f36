"""The staging place: where stock files wait until NewStore fetches them."""

from __future__ import annotations

import logging
import re
import typing as t
import urllib.parse
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from target_newstore_stock.drivers import missing_driver
from target_newstore_stock.errors import StagingError
from target_newstore_stock.import_api import IMPORT_ID
from target_newstore_stock.masking import masked, no_place, reason
from target_newstore_stock.staged_names import NOTE, ZIP
from target_newstore_stock.staging_link import PRESIGNED, URI

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterable

    from target_newstore_stock.staged_names import OwnNames

logger = logging.getLogger("target-newstore-stock.staging")

#: What to do when files cannot be written or listed there.
PLACE = "Correct staging_url, or the rights and the room of that place"
#: NewStore fetches the file some time after the start call, so a presigned link must live long; 7 days is S3's limit.
LINK_SECONDS = 7 * 24 * 3600
UNGUARDED = (
    "Runs on two machines are not guarded against each other then, and old files are not removed: let this user list "
    "the staging place (README, permissions)"
)
#: How stores say that a user may not list: only some have an error of its own for that.
_FORBIDDEN = re.compile(r"\b40[13]\b|forbidden|denied|unauthori[sz]ed|not authori[sz]ed", re.IGNORECASE)
#: A new directory that a web server serves.
SERVED_DIRECTORY = 0o755
#: Files are written in blocks of this size, so that memory does not grow with the file.
BLOCK_BYTES = 8 * 2**20
#: Options of a file system beside its URL. New S3 buckets refuse the older signatures.
OPTIONS: dict[str, dict[str, t.Any]] = {"s3": {"config_kwargs": {"signature_version": "s3v4"}}}


class Staging:
    """A directory or prefix for files, and the links to them.

    Args:
        url: fsspec URL of a directory or prefix.
        link: `presigned`, `uri`, or an https base URL that serves the directory.
    """

    def __init__(self, url: str, link: str) -> None:
        try:
            self._filesystem, self._root = fsspec.core.url_to_fs(url, **OPTIONS.get(url.partition("://")[0], {}))
        except ImportError as error:
            raise StagingError(f"staging_url: {missing_driver(error)}") from error
        except ValueError as error:
            raise StagingError(f"staging_url: {no_place(error)}") from error
        except Exception as error:  # an archive is opened at once, by each store's driver
            raise StagingError(
                f"staging_url: cannot open {masked(url)}: {reason(error)}", to_do="Correct staging_url"
            ) from error
        self._link = link
        self._has_warned = False

    def write(self, name: str, write: Callable[[t.IO[bytes]], None]) -> str:
        """Write a file, and return the link NewStore fetches it by.

        Args:
            name: File name; new for each import.
            write: Writes the content into the open file.

        Raises:
            StagingError: it could not be written or linked; the file is removed again.
        """
        path = self._path(name)
        try:
            self._make_directory()
            with self._filesystem.open(path, "wb", block_size=BLOCK_BYTES) as file:
                write(file)
            self._let_be_served(path)
            return self._link_to(path, name)
        except StagingError:
            raise
        except Exception as error:
            self.remove([name])
            raise StagingError(f"staging_url: cannot write {masked(path)}: {_why(error)}", to_do=PLACE) from error

    def remember(self, name: str, import_id: str) -> None:
        """Write a note beside a stock file: the id of its job, kept until the job has ended.

        Raises:
            StagingError: it could not be written.
        """
        self.note(name + NOTE, import_id)

    def note(self, name: str, text: str = "") -> None:
        """Write a small file.

        Raises:
            StagingError: it could not be written.
        """
        path = self._path(name)
        try:
            self._make_directory()
            self._filesystem.pipe_file(path, text.encode())
        except Exception as error:
            raise StagingError(f"staging_url: cannot write {masked(path)}: {_why(error)}", to_do=PLACE) from error

    def forget(self, name: str) -> None:
        """Remove the note of a job that has ended."""
        self.remove([name + NOTE])

    def remembered(self, own: OwnNames) -> dict[str, str]:
        """Return the job ids from our notes, by the note's name; what is no id names no job.

        Raises:
            StagingError: a note cannot be read now: the job it leads to may still be open.
        """
        notes = {}
        for name in self.listed():
            if own.is_note(name) and (content := self.look_into(name)) is not None:
                import_id = content.decode(errors="replace").strip()
                if IMPORT_ID.fullmatch(import_id):
                    notes[name] = import_id
                else:
                    logger.warning("staging_url: %s holds no import's id and is left out; remove it", name)
        return notes

    def clean(self, own: OwnNames, before: dt.datetime, kept: Collection[str]) -> list[str]:
        """Remove our files older than a time, and return their names.

        Args:
            own: Tells our files from others.
            before: Files written then or later stay.
            kept: Links that are still needed; a file that one of them names stays.
        """
        old = [
            name
            for name in self.names()
            if (written := own.written_at(name)) and written < before and not _is_needed(name, kept)
        ]
        self.remove(old)
        return old

    def listed(self) -> list[str]:
        """Return the file names, sorted; none, and it is said once, if this user may not list them.

        Raises:
            StagingError: they cannot be listed now.
        """
        try:
            self._filesystem.invalidate_cache()
            return sorted(path.rsplit("/", 1)[-1] for path in self._filesystem.ls(self._root, detail=False))
        except FileNotFoundError:
            return []
        except Exception as error:
            said = f"staging_url: cannot list {masked(self._root)}: {_why(error)}"
            if not _is_forbidden(error):
                raise StagingError(
                    f"{said}. So it cannot be seen whether another run has begun", to_do=PLACE
                ) from error
            self._warn_once(said)
            return []

    def names(self) -> list[str]:
        """Return the file names, sorted; none if they cannot be listed, for what is done as well without them."""
        try:
            return self.listed()
        except StagingError as error:
            logger.warning("%s", error)
            return []

    def _warn_once(self, said: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning("%s. %s", said, UNGUARDED)

    def open(self, name: str) -> t.IO[bytes]:
        """Open a file for reading."""
        return t.cast("t.IO[bytes]", self._filesystem.open(self._path(name), "rb"))

    def read(self, name: str) -> bytes | None:
        """Read a small file; return None if it is gone or cannot be read."""
        try:
            return t.cast("bytes", self._filesystem.cat_file(self._path(name)))
        except Exception as error:  # noqa: BLE001 - each store's driver has errors of its own
            logger.warning("staging_url: cannot read %s: %s", masked(self._path(name)), _why(error))
            return None

    def look_into(self, name: str) -> bytes | None:
        """Read what another run has left; return None if it is gone, or this user may not read it.

        Raises:
            StagingError: it cannot be read now.
        """
        path = self._path(name)
        try:
            return t.cast("bytes", self._filesystem.cat_file(path))
        except FileNotFoundError:
            return None
        except Exception as error:
            said = f"staging_url: cannot read {masked(path)}: {_why(error)}"
            if not _is_forbidden(error):
                raise StagingError(f"{said}. So it cannot be seen what another run has done", to_do=PLACE) from error
            logger.warning("%s", said)
            return None

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; one that cannot be removed is logged and left."""
        for name in names:
            try:
                self._filesystem.rm_file(self._path(name))
            except FileNotFoundError:
                continue
            except Exception as error:  # noqa: BLE001 - each store's driver has errors of its own
                logger.warning("staging_url: cannot remove %s: %s", masked(self._path(name)), _why(error))

    def _make_directory(self) -> None:
        # On an object store this would create a bucket from a typing error.
        if isinstance(self._filesystem, LocalFileSystem) and not self._filesystem.exists(self._root):
            self._filesystem.makedirs(self._root, exist_ok=True)
            if self._is_served:
                Path(self._root).chmod(SERVED_DIRECTORY)

    @property
    def _is_served(self) -> bool:
        """Whether a web server, of another user perhaps, hands out the files."""
        return self._link not in (PRESIGNED, URI)

    def _let_be_served(self, path: str) -> None:
        """Let those read a stock file who may read its directory, if a web server hands it out; notes stay ours."""
        if self._is_served and isinstance(self._filesystem, LocalFileSystem):
            Path(path).chmod(0o600 | (Path(self._root).stat().st_mode & 0o044))

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _link_to(self, path: str, name: str) -> str:
        if self._link == URI:
            return str(self._filesystem.unstrip_protocol(path))
        if self._link != PRESIGNED:
            return f"{self._link.rstrip('/')}/{urllib.parse.quote(name)}"
        try:
            return str(self._filesystem.sign(path, expiration=LINK_SECONDS))
        except NotImplementedError as error:
            self.remove([name])
            raise StagingError(
                "staging_link: presigned links need an object store; for a directory give the https base URL "
                "that serves it"
            ) from error


def _why(error: Exception) -> str:
    """Return what an error says beside the path, which an OSError repeats."""
    said = error.strerror if isinstance(error, OSError) else None
    return masked(said) if said else reason(error)


def _is_forbidden(error: Exception) -> bool:
    return isinstance(error, (PermissionError, NotImplementedError)) or bool(_FORBIDDEN.search(str(error)))


def _is_needed(name: str, kept: Collection[str]) -> bool:
    stem = name.removesuffix(ZIP).removesuffix(NOTE)
    return any(stem in link for link in kept)
