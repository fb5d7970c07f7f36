"""Lists the ERP writes as files, or as directories of them: which counts, and when its numbers were taken."""

from __future__ import annotations

import datetime as dt
import typing as t

import fsspec

from mapper_newstore_stock.errors import ConfigurationError, OnHandError
from mapper_newstore_stock.run.list_bytes import shown_url
from mapper_newstore_stock.run.list_errors import why
from mapper_newstore_stock.run.list_parts import NoPartsError, is_directory, parts_of
from mapper_newstore_stock.run.web_lists import options
from mapper_newstore_stock.values import Value

if t.TYPE_CHECKING:
    from mapper_newstore_stock.run.moments import MomentReader


class ListFile(t.NamedTuple):
    """One list.

    Attributes:
        url: Path or fsspec URL.
        taken_at: When its numbers were taken, epoch milliseconds; None: nobody has asked.
    """

    url: str
    taken_at: int | None = None


class ListFiles(Value, frozen=True):
    """The files an `on_hand_url` means.

    Attributes:
        url: Path or fsspec URL; with `*`, the newest that matches counts; with `/` at its end, it means directories.
        done_marker: What the name of a second file adds that the ERP writes when a list is whole; "": it writes none.
            In a directory, all of its name.
        name_format: How a file's name says when its numbers were taken, as `strptime` reads it; "": it does not.
        lag_ms: How long before its modification time a file's numbers were taken, milliseconds.
        moments: Reads the times in names.
    """

    url: str
    moments: MomentReader
    done_marker: str = ""
    name_format: str = ""
    lag_ms: int = 0

    def newest(self, *, dated: bool) -> ListFile:
        """Return the list that counts.

        Its time is read before its content: what is written over it meanwhile is younger than it says, which
        undersells until the next run.

        Args:
            dated: Whether its rows do not say themselves when they were taken.

        Raises:
            OnHandError: there is none, or it cannot be told when it was taken.
            ConfigurationError: no such kind of store, or its package is not installed.
        """
        is_pattern = "*" in self.url
        if not (is_pattern or dated or self.done_marker):
            return ListFile(self.url)
        filesystem, path = self._place()
        try:
            paths = self._matching(filesystem, path) if is_pattern else [path]
            if is_directory(self.url):
                paths = [path.rstrip("/") + "/" for path in paths]
            whole = [path for path in paths if not self.done_marker or filesystem.exists(path + self.done_marker)]
            if not whole:
                raise OnHandError(self._nothing(paths))
            if not (is_pattern or dated or _tells_times(filesystem)):
                return ListFile(self.url)
            found = [(taken_at, path) for path in whole if (taken_at := self._taken_at(filesystem, path)) is not None]
            if not found:
                raise OnHandError(self._nothing([]))
        except OnHandError:
            raise
        except Exception as error:  # each store's client raises its own kinds
            raise self._not_seen(error) from error
        taken_at, path = max(found)
        if "://" in self.url:
            path = str(filesystem.unstrip_protocol(path)).rstrip("/") + ("/" if is_directory(self.url) else "")
        return ListFile(path, taken_at)

    def _place(self) -> tuple[t.Any, str]:
        """Return the store and what it calls the path.

        Raises:
            OnHandError: it is down; FTP and archives are opened at once.
            ConfigurationError: no such kind of store, or its package is not installed.
        """
        try:
            filesystem, path = fsspec.core.url_to_fs(self.url, **options(self.url))
        except (ImportError, ValueError) as error:
            raise ConfigurationError(f"on_hand_url: {why(error, self.url)}") from error
        except Exception as error:
            raise self._not_seen(error) from error
        return filesystem, path

    def _matching(self, filesystem: t.Any, path: str) -> list[str]:
        found: dict[str, dict[str, t.Any]] = filesystem.glob(path, detail=True)
        return [path for path, entry in found.items() if entry["type"] == "directory" or not is_directory(self.url)]

    def _taken_at(self, filesystem: t.Any, path: str) -> int | None:
        """Return when the numbers of a list were taken, epoch milliseconds; None: it is one of several, and empty."""
        name = path.rstrip("/").rpartition("/")[2]
        if self.name_format:
            try:
                return self.moments.parsed(name, self.name_format)
            except ValueError as error:
                raise OnHandError(
                    f"{path}: its name is not as taken_at_format says ({self.name_format}): {error}"
                ) from error
        try:
            # A directory is written when its last part is, as a file when its last line is.
            paths = [part.path for part in parts_of(filesystem, path)] if is_directory(path) else [path]
        except NoPartsError:
            if "*" in self.url:
                return None
            raise
        return max(_epoch_ms(filesystem.modified(path)) for path in paths) - self.lag_ms

    def _not_seen(self, error: Exception) -> OnHandError:
        url = shown_url(self.url)
        if isinstance(error, NotImplementedError):
            return OnHandError(
                f"on_hand_url: {url}: nothing there says when a file was written, which `*`, max_on_hand_age_minutes "
                f"and taken_at without a column ask for",
                "Name one file, and let its rows say when they were taken (on_hand_columns), or its name "
                "(taken_at_format)",
            )
        return OnHandError(f"on_hand_url: cannot look at {url}: {why(error, self.url)}")

    def _nothing(self, paths: list[str]) -> str:
        url = shown_url(self.url)
        if paths:
            found = (
                f"{len(paths)} directories at {url} has a {self.done_marker} in it"
                if is_directory(url)
                else f"{len(paths)} files at {url} has a {self.done_marker} beside it"
            )
            return f"on_hand_url: none of the {found} yet"
        return f"on_hand_url: no {'directory' if is_directory(url) else 'file'} matches {url}"


def _tells_times(filesystem: t.Any) -> bool:
    """Return whether a store says when its files were written; over HTTP nobody does."""
    return type(filesystem).modified is not fsspec.AbstractFileSystem.modified


def _epoch_ms(modified: dt.datetime) -> int:
    return int((modified if modified.tzinfo else modified.replace(tzinfo=dt.UTC)).timestamp() * 1000)
