"""Reads the files of BATCH messages, line by line, as if each record had come as a RECORD."""

from __future__ import annotations

import typing as t

import fsspec
import msgspec

from target_newstore_stock.errors import InputError
from target_newstore_stock.masking import masked, reason

if t.TYPE_CHECKING:
    from collections.abc import Iterator


class _Encoding(msgspec.Struct):
    format: str | None = None
    compression: str | None = None


class _Batch(msgspec.Struct):
    """A BATCH message: the fields that are used here."""

    stream: str
    encoding: _Encoding
    manifest: list[str]


def read_record_lines(message: dict[str, t.Any]) -> Iterator[str]:
    """Yield each record of a BATCH as the line of a RECORD message.

    Args:
        message: The BATCH message: `stream`, `encoding` and `manifest`, the URLs of its files.

    Raises:
        InputError: it has another shape, or a file cannot be read, or is not JSONL.
    """
    batch = _read_batch(message)
    compression = batch.encoding.compression
    if batch.encoding.format != "jsonl" or compression not in (None, "none", "gzip"):
        raise InputError(
            f"BATCH files of {batch.encoding.format} with compression {compression} are not read here; "
            f"expected jsonl, plain or gzip",
            to_do="Correct batch_config of what writes them",
        )
    unzip = "gzip" if compression == "gzip" else None
    before = '{"type":"RECORD","stream":' + msgspec.json.encode(batch.stream).decode() + ',"record":'
    for url in batch.manifest:
        try:
            with fsspec.open(url, "rt", compression=unzip, encoding="utf-8") as file:
                for line in file:
                    if line.strip():
                        yield before + line.rstrip("\r\n") + "}"
        except (OSError, EOFError, ValueError, ImportError) as error:
            raise InputError(
                f"the BATCH file {masked(url)} cannot be read: {reason(error)}",
                to_do="See that the file is there, and that this user may read it",
            ) from error


def _read_batch(message: dict[str, t.Any]) -> _Batch:
    try:
        return msgspec.convert(message, _Batch)
    except msgspec.ValidationError as error:
        raise InputError(
            f"a BATCH message of another shape came: {error}. Expected stream, encoding with format and compression, "
            f"and manifest, a list of URLs",
            to_do="Correct what writes it",
        ) from error
