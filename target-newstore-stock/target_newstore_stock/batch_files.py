"""Reads the files of BATCH messages, line by line, as if each record had come as a RECORD."""

from __future__ import annotations

import typing as t

import fsspec
import msgspec

from target_newstore_stock.errors import InputError

if t.TYPE_CHECKING:
    from collections.abc import Iterator


def read_record_lines(message: dict[str, t.Any]) -> Iterator[str]:
    """Yield each record of a BATCH as the line of a RECORD message.

    Args:
        message: The BATCH message: `stream`, `encoding` and `manifest`, the URLs of its files.

    Raises:
        InputError: a file cannot be read, or is not JSONL.
    """
    encoding = message["encoding"]
    compression = encoding.get("compression")
    if encoding.get("format") != "jsonl" or compression not in (None, "none", "gzip"):
        raise InputError(
            f"BATCH files of {encoding.get('format')} with compression {compression} are not read here; "
            f"expected jsonl, plain or gzip",
            to_do="Correct batch_config of what writes them",
        )
    unzip = "gzip" if compression == "gzip" else None
    before = '{"type":"RECORD","stream":' + msgspec.json.encode(message["stream"]).decode() + ',"record":'
    for url in message["manifest"]:
        try:
            with fsspec.open(url, "rt", compression=unzip, encoding="utf-8") as file:
                for line in file:
                    if line.strip():
                        yield before + line.rstrip("\r\n") + "}"
        except (OSError, EOFError, ValueError, ImportError) as error:
            raise InputError(
                f"the BATCH file {url} cannot be read: {error or type(error).__name__}",
                to_do="See that the file is there, and that this user may read it",
            ) from error
