"""Writes a list into a file while it is read, for the next run to be compared with."""

from __future__ import annotations

import contextlib
import glob
import io
import logging
import tempfile
import typing as t
from pathlib import Path

from mapper_newstore_stock.run.kept_lists import KeptList, new_digest
from mapper_newstore_stock.run.line_diff import LINE_END, CannotCompareError

if t.TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("mapper-newstore-stock.on-hand")

#: Shorter lists are read as fast as they are compared.
LEAST_BYTES = 1 << 20
#: Lines that are looked at in every run; with more of them little is gained.
MOST_LEFT_OUT = 10_000
#: What `tempfile` adds to a name.
RANDOM = "[a-z0-9_]" * 8


class ListWriter:
    """Keeps a list while it is read. Use it in a `with` block; what goes wrong only means that nothing is kept.

    Args:
        file: Where it is kept; None: nowhere.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._digest = new_digest()
        self._begin: list[bytes] = []
        self._written: t.IO[bytes] | None = None
        self._left_out: set[int] = set()
        self._returns = 0
        self._last = b""
        #: The digest of what is in the file, if this run has read it.
        self.found = ""
        #: How many bytes it has.
        self.size = 0

    def __enter__(self) -> t.Self:
        self._remove_left()
        return self

    def __exit__(self, *_error: object) -> None:
        self.drop()

    @property
    def digest(self) -> str:
        """The digest of what was read so far."""
        return self._digest.hexdigest()

    @property
    def is_keeping(self) -> bool:
        """Whether what it takes is kept."""
        return self._file is not None

    @property
    def has_lone_returns(self) -> bool:
        """Whether a carriage return stands alone in it: it ends a line for who reads all, and here it does not."""
        return self._returns > 0

    @property
    def ends_with_a_line(self) -> bool:
        """Whether the last line has its end."""
        return self._last.endswith(LINE_END)

    def take(self, block: bytes) -> None:
        """Take the next bytes of the list."""
        if not block:
            return
        self._returns += block.count(b"\r") - block.count(b"\r\n")
        self._returns -= self._last.endswith(b"\r") and block.startswith(LINE_END)
        self._last = block[-1:]
        if self._file is None:
            return
        self.size += len(block)
        self._digest.update(block)
        self._begin.append(block)
        if self.size >= LEAST_BYTES:
            with self._unless_it_fails():
                self._spill()

    def leave_out(self, line: int) -> None:
        """Leave out a line that is to be looked at in every run."""
        self._left_out.add(line)
        if len(self._left_out) > MOST_LEFT_OUT:
            self.drop()

    def leave_out_or_drop(self, line: int, last: int) -> None:
        """Leave out a line; keep nothing if it belongs to several lines, up to the last of them."""
        self.leave_out(line)
        if line != last:
            self.drop()

    def taken(self) -> Iterator[bytes]:
        """Yield the lines that were taken, with the header.

        Raises:
            CannotCompareError: they were not kept.
        """
        with self._unless_it_fails():
            if self._written:
                self._spill()
                self._written.seek(0)
        if self._file is None:
            raise CannotCompareError("it cannot be kept")
        try:
            yield from self._written or io.BytesIO(b"".join(self._begin))
        except OSError as error:
            raise CannotCompareError(f"it cannot be read where it is kept ({error})") from error

    def drop(self) -> None:
        """Keep nothing."""
        self._file, self._begin = None, []
        if self._written:
            with contextlib.suppress(OSError):
                self._written.close()
            with contextlib.suppress(OSError):
                Path(self._written.name).unlink()
            self._written = None

    def keep(self, fingerprint: str, rows: int, latest: int = 0) -> KeptList | None:
        """Keep the list in place of the last one; return what the ledger is to say of it, None: it is not kept.

        Args:
            fingerprint: Tells whether the same settings read it.
            rows: How many of its lines are rows of keys managed here.
            latest: Epoch milliseconds; none of its rows says that it was taken later. 0: they do not say when.
        """
        if self._file is None or self._written is None or self.has_lone_returns or not self.ends_with_a_line:
            return None
        with self._unless_it_fails():
            if self._left_out:
                self._write_without_them()
            kept = KeptList(fingerprint, self.digest, rows, latest)
            self._written.close()
            if kept.digest != self.found:
                Path(self._written.name).replace(self._file)
                self._written = None
            return kept
        return None

    def _spill(self) -> None:
        if self._file is None:
            return
        if self._written is None:
            self._written = self._new_file(self._file)
        self._written.writelines(self._begin)
        self._begin = []

    def _write_without_them(self) -> None:
        whole = self._written
        if self._file is None or whole is None:
            return
        whole.seek(0)
        self._written, self._digest = self._new_file(self._file), new_digest()
        with contextlib.closing(whole):
            Path(whole.name).unlink()
            for number, line in enumerate(whole, start=1):
                if number not in self._left_out:
                    self._written.write(line)
                    self._digest.update(line)

    def _remove_left(self) -> None:
        """Remove what runs that were killed had written: whoever holds the ledger is the only one who writes here."""
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            for left in self._file.parent.glob(f"{glob.escape(self._file.name)}-{RANDOM}"):
                left.unlink()

    @staticmethod
    def _new_file(beside: Path) -> t.IO[bytes]:
        beside.parent.mkdir(parents=True, exist_ok=True)
        # Others may not read it: it holds the ERP's numbers.
        return tempfile.NamedTemporaryFile(dir=beside.parent, prefix=f"{beside.name}-", delete=False)

    @contextlib.contextmanager
    def _unless_it_fails(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            logger.warning("The on-hand list is not kept for the next run, which will read all of it: %s", error)
            self.drop()
