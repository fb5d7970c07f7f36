"""A baseline: an SDK target with a `BatchSink` that drops everything."""

from __future__ import annotations

import typing as t

from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.sinks import BatchSink


class DroppingSink(BatchSink):
    """Drops everything."""

    def process_batch(self, context: dict[str, t.Any]) -> None:
        """Do nothing."""


class DroppingTarget(Target):
    """An SDK target with nothing overridden."""

    name = "target-dropping"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = th.PropertiesList().to_dict()
    default_sink_class = DroppingSink


if __name__ == "__main__":
    DroppingTarget.cli(["--config", "ENV"])
