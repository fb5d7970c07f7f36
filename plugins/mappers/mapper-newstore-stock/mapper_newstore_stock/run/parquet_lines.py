"""Columns of Parquet as the lines that a list is kept as (`sql_rows`), written column by column.

A row becomes the values that a SQL database would hand over for it, and so the same answer: whole numbers of whatever
type are one number, and what is no such number stays what it is, to be refused by the name of its row.
"""

from __future__ import annotations

import typing as t

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from mapper_newstore_stock.run.whole_numbers import FLOATS_SKIP

if t.TYPE_CHECKING:
    import decimal
    from collections.abc import Callable, Sequence

#: What JSON writes otherwise than it is.
ESCAPED, ESCAPED_BYTES = r'[\x00-\x1f"\\]', bytes(range(0x20)) + b'"\\'
#: A time of the years that Python knows; Arrow writes others too, or says that it cannot.
KNOWN_TIME = r"^(?:[1-9]\d\d\d|0[1-9]\d\d|00[1-9]\d|000[1-9])-"
UUID_BYTES = 16
#: The kind of a column that has no values.
NOTHING = "nothing"
#: Where the groups of a UUID's digits begin and end.
UUID_GROUPS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
_encoder = msgspec.json.Encoder()


class Lines(t.NamedTuple):
    """Some rows as lines.

    Attributes:
        block: The lines.
        rows: How many they are.
        is_plain: All their values are texts, whole numbers or nothing, which JSON gives back as they were.
    """

    block: bytes
    rows: int
    is_plain: bool


class Kind(t.NamedTuple):
    """A kind of column that can be read.

    Attributes:
        name: What errors call it.
        written: Returns the values of a column as JSON, and whether all of them are plain.
    """

    name: str
    written: Callable[[pa.Array], tuple[pa.Array, bool]]


def kind_of(kind: pa.DataType) -> Kind | None:
    """Return the kind of a column's type; None: a type that is no text, number or moment."""
    if pa.types.is_dictionary(kind):
        values = kind_of(kind.value_type)
        return values and Kind(values.name, lambda column: _of_dictionary(column, values))
    return next((Kind(name, written) for is_it, name, written in _KINDS if is_it(kind)), None)


def lines_of(columns: Sequence[pa.Array]) -> Lines:
    """Return rows as lines.

    Raises:
        TypeError: a column is of no kind that can be read.
    """
    parts, before, is_plain = [], "[", True
    for column in columns:
        kind = kind_of(column.type)
        if kind is None:
            raise TypeError(column.type)
        written, is_plain_column = kind.written(column)
        parts += [before, written]
        is_plain &= is_plain_column
        before = ","
    joined = pc.binary_join_element_wise(*parts, "]\n", "", null_handling="replace", null_replacement="null")
    return Lines(_data(joined), len(joined), is_plain)


def _data(joined: pa.Array) -> bytes:
    """Return the bytes of texts that were just joined: such an array begins where its bytes do."""
    data = joined.buffers()[2]
    return b"" if data is None else data.to_pybytes()


def _of_nothing(column: pa.Array) -> tuple[pa.Array, bool]:
    return pa.nulls(len(column), pa.string()), True


def _of_text(column: pa.Array) -> tuple[pa.Array, bool]:
    """Write texts; bytes are texts in UTF-8, and those that are not stay bytes."""
    try:
        # Files may say that bytes are a text, and be wrong.
        texts = column.cast(pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return _one_by_one(column.cast(pa.binary()), _text_or_bytes), False
    quoted = pc.binary_join_element_wise('"', texts, '"', "")
    data = _data(quoted)
    if len(data) - len(data.translate(None, ESCAPED_BYTES)) == 2 * (len(texts) - texts.null_count):
        return quoted, True
    escaped = pc.fill_null(pc.match_substring_regex(texts, ESCAPED), False)
    odd = [_encoder.encode(text).decode() for text in texts.filter(escaped).to_pylist()]
    return pc.replace_with_mask(quoted, escaped, pa.array(odd, pa.string())), True


def _of_whole(column: pa.Array) -> tuple[pa.Array, bool]:
    return column.cast(pa.string()), True


def _of_decimals(column: pa.Array) -> tuple[pa.Array, bool]:
    try:
        return column.cast(pa.int64()).cast(pa.string()), True
    except pa.ArrowInvalid:
        return _one_by_one(column, _whole_or_decimal), False


def _of_floats(column: pa.Array) -> tuple[pa.Array, bool]:
    floats = column.cast(pa.float64())
    try:
        whole = floats.cast(pa.int64())
        if not pc.any(pc.greater_equal(pc.abs(floats), FLOATS_SKIP)).as_py():
            return whole.cast(pa.string()), True
    except pa.ArrowInvalid:
        pass
    return _one_by_one(floats, _whole_or_float), False


def _of_moments(column: pa.Array) -> tuple[pa.Array, bool]:
    kind = column.type
    # As they are kept: in UTC, if they have a zone.
    texts = column.cast(pa.int64()).cast(pa.timestamp(kind.unit)).cast(pa.string())
    zone = "" if kind.tz is None else "+00:00"
    moments = pc.binary_join_element_wise('["moment","', texts, f'{zone}"]', "")
    others = pc.binary_join_element_wise('"', texts, '"', "")
    return pc.if_else(pc.match_substring_regex(texts, KNOWN_TIME), moments, others), False


def _of_uuids(column: pa.Array) -> tuple[pa.Array, bool]:
    begin, count = column.storage.offset * UUID_BYTES, len(column)
    values = column.storage.buffers()[1]
    if values is None or column.null_count == count:
        return pa.nulls(count, pa.string()), True
    digits = values[begin : begin + count * UUID_BYTES].to_pybytes().hex().encode()
    texts = pa.Array.from_buffers(pa.binary(2 * UUID_BYTES), count, [None, pa.py_buffer(digits)]).cast(pa.string())
    groups = [pc.utf8_slice_codeunits(texts, *group) for group in UUID_GROUPS]
    quoted = pc.binary_join_element_wise('"', pc.binary_join_element_wise(*groups, "-"), '"', "")
    return pc.if_else(column.storage.is_valid(), quoted, None), True


def _of_dictionary(column: pa.Array, values: Kind) -> tuple[pa.Array, bool]:
    written, is_plain = values.written(column.dictionary)
    return written.take(column.indices), is_plain


def _one_by_one(column: pa.Array, as_kept: Callable[[t.Any], t.Any]) -> pa.Array:
    """Write values that are not all alike."""
    values = column.to_pylist()
    written = [None if value is None else _encoder.encode(as_kept(value)).decode() for value in values]
    return pa.array(written, pa.string())


def _text_or_bytes(value: bytes) -> t.Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "bytes", value.hex()


def _whole_or_decimal(value: decimal.Decimal) -> t.Any:
    return int(value) if value == value.to_integral_value() else ("decimal", str(value))


def _whole_or_float(value: float) -> t.Any:
    # As text: JSON has no word for what is no number.
    return int(value) if value.is_integer() and abs(value) < FLOATS_SKIP else ("float", repr(value))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


_KINDS: tuple[tuple[Callable[[pa.DataType], bool], str, Callable[[pa.Array], tuple[pa.Array, bool]]], ...] = (
    (pa.types.is_null, NOTHING, _of_nothing),
    (_is_text, "text", _of_text),
    (_is_bytes, "bytes", _of_text),
    (pa.types.is_integer, "whole numbers", _of_whole),
    (pa.types.is_decimal, "decimals", _of_decimals),
    (pa.types.is_floating, "floats", _of_floats),
    (lambda kind: pa.types.is_timestamp(kind) and kind.tz is None, "times", _of_moments),
    (pa.types.is_timestamp, "times with a zone", _of_moments),
    (lambda kind: isinstance(kind, pa.UuidType), "UUIDs", _of_uuids),
)
