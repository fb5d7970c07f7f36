"""The sink: passes stock records to the intake."""

from __future__ import annotations

import typing as t

from singer_sdk.exceptions import InvalidRecord
from singer_sdk.sinks import Sink
from singer_sdk.sinks.core import JSONSchemaValidator

from target_newstore_stock.errors import RecordError
from target_newstore_stock.records import read_record

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk import Target
    from singer_sdk.sinks.core import BaseJSONSchemaValidator

    from target_newstore_stock.intake import Intake


#: When the tap of a stream saw a row deleted, by the SDK's convention.
DELETED = "_sdc_deleted_at"


def empty_deleted(record: dict[str, t.Any]) -> None:
    """Set the quantity of a deleted row to 0: what it says is the number of before, or nothing."""
    if record.get(DELETED) is not None:
        record["quantity"] = 0


class StockSink(Sink):
    """Takes the records of a stream. A cut is imported with its last record; only plain records are drained.

    Args:
        target: The target, for the SDK.
        stream_name: The stream.
        schema: Its schema.
        key_properties: Its key.
        intake: Collects the records.
    """

    def __init__(
        self,
        target: Target,
        stream_name: str,
        schema: dict[str, t.Any],
        key_properties: Sequence[str] | None,
        *,
        intake: Intake,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._intake = intake

    @property
    def is_full(self) -> bool:
        """Never true inside a cut; for plain records only with `batch_size_rows` (files are split by size)."""
        return self.batch_size_rows is not None and super().is_full and not self._intake.cut_is_open

    def process_record(self, record: dict[str, t.Any], context: dict[str, t.Any]) -> None:
        """Take a record.

        Raises:
            TargetError: it is not a stock record, or the cut it completes could not be imported.
        """
        del context
        self._intake.add(read_record(record), self.stream_name)

    def process_batch(self, context: dict[str, t.Any]) -> None:
        """Import the plain records that are waiting."""
        del context
        self._intake.import_plain()

    def get_validator(self) -> BaseJSONSchemaValidator | None:
        """Return a validator against the stream's schema, whose errors are one line."""
        return _Validator(self.schema) if self.validate_schema else None


class _Validator(JSONSchemaValidator):
    def validate(self, record: dict[str, t.Any]) -> None:
        try:
            super().validate(record)
        except InvalidRecord as error:
            raise RecordError(
                f"a record does not fit its stream's schema: {error.error_message}",
                to_do="Correct what writes the records",
            ) from error
