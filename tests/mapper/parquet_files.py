"""Parquet as an ERP's warehouse exports it."""

from __future__ import annotations

import typing as t

import pyarrow as pa
import pyarrow.parquet as pq

from tests.mapper.on_hand_lists import HEADER

if t.TYPE_CHECKING:
    from pathlib import Path

NAMES = HEADER.split(",")
TEXT, WHOLE = pa.string(), pa.int64()
KINDS = (TEXT, TEXT, pa.int32(), WHOLE)


def a_parquet(path: Path, *rows: t.Sequence[t.Any], kinds: t.Sequence[t.Any] = KINDS, **options: t.Any) -> str:
    """Write rows as a file, and return its path.

    Args:
        path: Where; its directory is made.
        rows: Their values, by default of the four columns of an on-hand list.
        kinds: The columns' types.
        options: `names` of other columns, and what else is to be said to the writer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    names = options.pop("names", NAMES)
    values = zip(*rows, strict=True) if rows else [()] * len(names)
    columns = [_column(list(column), kind) for column, kind in zip(values, kinds, strict=True)]
    table = pa.Table.from_arrays(columns, names=names)
    pq.write_table(table, path, **{"write_page_checksum": True, **options})
    return str(path)


def parquet_bytes(path: Path, *rows: t.Sequence[t.Any], **options: t.Any) -> bytes:
    """Write rows as a file, as `a_parquet` does, and return its bytes."""
    a_parquet(path, *rows, **options)
    return path.read_bytes()


def _column(values: list[t.Any], kind: t.Any) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode()
    return pa.array(values, kind)
