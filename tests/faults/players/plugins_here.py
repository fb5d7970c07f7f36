"""Mapper and target in this process, so that they can die between any two of their steps."""

from __future__ import annotations

import io
import json
import typing as t

import msgspec
from mapper_newstore_stock.ledger.store import Ledger
from mapper_newstore_stock.mapper import MapperNewStoreStock
from mapper_newstore_stock.messages import MessageWriter
from mapper_newstore_stock.run.stock_run import StockRun
from target_newstore_stock.sinks import StockSink
from target_newstore_stock.target import TargetNewStoreStock

from tests.faults.stories.schedules import WRITING

if t.TYPE_CHECKING:
    import sqlalchemy as sa
    from singer_sdk.singerlib import Message
    from singer_sdk.sinks.core import BaseJSONSchemaValidator

    from tests.faults.breaking.death import Death
    from tests.faults.stories.story import State

_encode = msgspec.json.Encoder().encode
#: By the schema's text; a validator keeps nothing of the records it has seen.
_validators: dict[str, BaseJSONSchemaValidator | None] = {}


def let_go(target: TargetNewStoreStock) -> None:
    """Release what the end of the target's process would: its hold on the staging place."""
    lock = getattr(target, "_run_lock", None)
    if lock is not None:
        lock._lock.release(force=True)


class Writer(MessageWriter):
    """Keeps what the mapper writes, each message as a line.

    Attributes:
        death: Each message is a step of the mapper.
    """

    death: Death

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[bytes] = []

    def write_message(self, message: Message) -> None:
        self.death.step(WRITING)
        self.lines.append(_encode(message.to_dict()))


class MapperHere(MapperNewStoreStock):
    """The mapper, on an engine that is there already; what it writes is kept."""

    message_writer_class = Writer

    def open(self, engine: sa.Engine, death: Death) -> None:
        """Open the ledger."""
        t.cast("Writer", self.message_writer).death = death
        self._run = StockRun(self.config, self.logger, self._counts, Ledger(engine))

    def close(self) -> list[bytes]:
        """Let go of the ledger, as the end of the process does; give the lines that came out."""
        if self._run:
            self._run.close()
        return t.cast("Writer", self.message_writer).lines


class SinkHere(StockSink):
    """The sink; a schema that came before is not checked to be one again."""

    def get_validator(self) -> BaseJSONSchemaValidator | None:
        known = json.dumps(self.schema)
        if known not in _validators:
            _validators[known] = super().get_validator()
        return _validators[known]


class TargetHere(TargetNewStoreStock):
    """The target, for many runs in one process."""

    default_sink_class = SinkHere


class States(io.StringIO):
    """The target's stdout: a STATE counts when its line was written whole."""

    def __init__(self, death: Death) -> None:
        super().__init__()
        self._death = death
        self.states: list[State] = []

    def write(self, text: str) -> int:
        self._death.step("target")
        self.states += [json.loads(line) for line in text.splitlines()]
        return len(text)
