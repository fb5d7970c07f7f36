"""The fast path: one typed decoding takes a stock record from its line to the stock file.

It is open to streams whose records the SDK's general way would not change: no stream map, no flattening, no
metadata, no batch size, and a schema that allows every stock record. A line that is not exactly a stock record
goes the general way, so all errors come from there.
"""

from __future__ import annotations

import operator
import typing as t

import msgspec
from singer_sdk.mapper import SameRecordTransform

from target_newstore_stock.records import StockRecord

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from singer_sdk.mapper import StreamMap
    from singer_sdk.sinks import Sink

REQUIRED_FIELDS = ("fulfillment_node_id", "product_id", "quantity")
OPTIONAL_FIELDS = ("logical_timestamp_start", "logical_timestamp_end", "cut_id", "cut_size")
TYPES = {
    "fulfillment_node_id": "string",
    "product_id": "string",
    "quantity": "integer",
    "logical_timestamp_start": "integer",
    "logical_timestamp_end": "integer",
    "cut_id": "string",
    "cut_size": "integer",
}
#: Records are counted this many at a time: counting each would take as long as reading it.
COUNTED_AT_ONCE = 500
#: Words of a schema that refuse no stock record, given what is checked below.
SCHEMA_WORDS = {"$schema", "type", "title", "description", "properties", "required", "additionalProperties"}
#: Begins a word that is an application's own, such as the mapper's `x-cuts-of`; JSON Schema refuses nothing by it.
OWN_WORD = "x-"
PROPERTY_WORDS = {"type", "title", "description"}


class _Record(StockRecord, frozen=True, forbid_unknown_fields=True):
    """A stock record and nothing else."""


class _Line(msgspec.Struct, tag_field="type", tag="RECORD", gc=False):
    stream: str
    record: _Record


class _Stream(t.NamedTuple):
    """A stream that may take the fast path.

    Attributes:
        sink: Counts its records.
        present: Returns the fields that must not be None, such as those the schema requires.
        absent: Returns the fields that must be None, because the schema does not have them.
        nothing: What `absent` returns then.
    """

    sink: Sink
    present: Callable[[StockRecord], tuple[t.Any, ...]]
    absent: Callable[[StockRecord], tuple[t.Any, ...]]
    nothing: tuple[None, ...]


class FastPath:
    """Takes the lines that are stock records of open streams.

    Args:
        take: Called with each record taken, and the name of its stream.
        count: Called with a sink and the number of records taken from its stream since the last call.
    """

    def __init__(self, take: Callable[[StockRecord, str], None], count: Callable[[Sink, int], None]) -> None:
        self._take = take
        self._count = count
        self._streams: dict[str, _Stream] = {}
        self._decode = msgspec.json.Decoder(_Line).decode
        self._sink: Sink | None = None
        self._uncounted = 0
        self.taken = 0

    def open_or_close(self, name: str, maps: Sequence[StreamMap], get_sink: Callable[[str], Sink]) -> None:
        """Decide after a SCHEMA message whether a stream may take the fast path.

        Args:
            name: The stream.
            maps: Its stream maps.
            get_sink: Returns the sink of a stream.
        """
        self._streams.pop(name, None)
        sink = _sink_of_unchanged_records(maps, get_sink)
        if sink is None or not set(sink.key_properties) <= set(REQUIRED_FIELDS):
            return
        schema = sink.original_schema
        properties = schema["properties"]
        if not allows_stock_records(schema):
            return
        present = [field for field in OPTIONAL_FIELDS if field in properties and not _may_be_missing(schema, field)]
        absent = [field for field in OPTIONAL_FIELDS if field not in properties]
        nothing = (None,) * (len(absent) + 1 if absent else 0)
        self._streams[name] = _Stream(sink, _getter(present), _getter(absent), nothing)

    def take(self, line: str) -> bool:
        """Take a line if it may take the fast path, and return whether it did.

        Raises:
            TargetError: the record does not fit, or the cut it completes could not be imported.
        """
        if not self._streams:
            return False
        try:
            message = self._decode(line)
        except msgspec.DecodeError:
            self.count()
            return False
        stream, record = self._streams.get(message.stream), message.record
        if stream is None or None in stream.present(record) or stream.absent(record) != stream.nothing:
            self.count()
            return False
        if stream.sink is not self._sink or self._uncounted >= COUNTED_AT_ONCE:
            self.count()
            self._sink = stream.sink
        self._uncounted += 1
        self._take(record, stream.sink.stream_name)
        return True

    def count(self) -> int:
        """Count the records taken since the last call, and return how many were taken in all.

        Called before anything else happens.
        """
        if self._sink and self._uncounted:
            taken, self._uncounted = self._uncounted, 0
            self.taken += taken
            self._count(self._sink, taken)
        return self.taken


def _sink_of_unchanged_records(maps: Sequence[StreamMap], get_sink: Callable[[str], Sink]) -> Sink | None:
    """Return the sink of a stream, if nothing changes its records on the way there."""
    if len(maps) != 1 or type(maps[0]) is not SameRecordTransform or maps[0].flattening_enabled:
        return None
    sink = get_sink(maps[0].stream_alias)
    if sink.include_sdc_metadata_properties or sink.batch_size_rows is not None:
        return None
    return sink


def allows_stock_records(schema: Mapping[str, t.Any]) -> bool:
    """Return whether a schema allows every stock record, apart from fields it requires or does not have."""
    properties = schema["properties"]
    return (
        all(word in SCHEMA_WORDS or word.startswith(OWN_WORD) for word in schema)
        and "object" in _listed(schema.get("type", "object"))
        and set(schema.get("required", ())) <= TYPES.keys()
        and all(field in properties for field in REQUIRED_FIELDS)
        and all(_allows(properties[field], TYPES[field]) for field in TYPES if field in properties)
    )


def _allows(definition: Mapping[str, t.Any], kind: str) -> bool:
    return definition.keys() <= PROPERTY_WORDS and kind in _listed(definition.get("type", kind))


def _may_be_missing(schema: Mapping[str, t.Any], field: str) -> bool:
    """Return whether a field may be left out, and may be null."""
    types = _listed(schema["properties"][field].get("type", "null"))
    return field not in schema.get("required", ()) and "null" in types


def _listed(types: str | list[str]) -> list[str]:
    return [types] if isinstance(types, str) else types


def _getter(fields: list[str]) -> Callable[[StockRecord], tuple[t.Any, ...]]:
    if not fields:
        return lambda _: ()
    # The first field is named twice: with a single name attrgetter returns no tuple.
    return t.cast("Callable[[StockRecord], tuple[t.Any, ...]]", operator.attrgetter(*fields, fields[0]))
