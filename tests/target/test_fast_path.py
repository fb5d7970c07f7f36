"""The fast path gives the same files as the general way, which is taken whenever a user configures something."""

from __future__ import annotations

import copy
import io
import json
import typing as t

import pytest
from singer_sdk.io_base import SingerReader
from target_newstore_stock.errors import TargetError
from target_newstore_stock.fast_path import allows_stock_records
from target_newstore_stock.messages import MessageReader
from target_newstore_stock.stock_file import make_head
from target_newstore_stock.target import TargetNewStoreStock

from tests.mapper.shop_day import STREAM, completed
from tests.shop.erp import Erp
from tests.shop.plugin import run_plugin
from tests.target.stock_messages import PROPERTIES, a_cut, a_record, a_schema, a_state

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from target_newstore_stock.records import CutHead
    from target_newstore_stock.stock_file import StockFile

    from tests.target.stock_messages import Message


class Kept:
    """Keeps the content of each file."""

    def __init__(self) -> None:
        self.files: list[tuple[CutHead, list[tuple[str, str, int]]]] = []

    def run(self, cut: CutHead, file: StockFile) -> None:
        make_head(dict.fromkeys(file.nodes, ""), cut.range, None)
        items = [(item.fulfillment_node_id, item.product_id, item.quantity) for item in file.read_items()]
        self.files.append((cut, items))


class Outcome(t.NamedTuple):
    """The outcome of a run, and how many records took the fast path."""

    files: list[t.Any]
    states: str
    error: str
    taken: int


def run(
    messages: list[Message] | str,
    directory: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    fast: bool,
    make: Callable[[dict[str, t.Any]], TargetNewStoreStock] = lambda config: TargetNewStoreStock(config=config),
    **settings: t.Any,
) -> Outcome:
    needed = {"tenant": "x", "client_id": "x", "client_secret": "x", "staging_url": str(directory)}
    target = make({**needed, "staging_link": "https://x.example/stock", **settings})
    kept = Kept()
    target.importer = kept
    if not fast:
        target._fast_path.open_or_close = lambda *_: None  # type: ignore[method-assign]
    lines = "".join(json.dumps(message) + "\n" for message in messages)
    capsys.readouterr()
    error = ""
    try:
        target.listen(io.StringIO(lines))
    except (TargetError, Exception) as refused:  # noqa: BLE001 - the SDK has errors of its own
        error = f"{type(refused).__name__}: {refused}"
    target.intake.close()
    return Outcome(kept.files, capsys.readouterr().out, error, target._fast_path.taken)


def a_stock_schema(**changes: t.Any) -> Message:
    """Return the SCHEMA with some properties, or keywords beside them (`required=…`), changed."""
    message = copy.deepcopy(a_schema())
    properties = {name: changes.pop(name) for name in list(changes) if name in PROPERTIES}
    for name, definition in properties.items():
        if definition is None:
            del message["schema"]["properties"][name]
        else:
            message["schema"]["properties"][name] = definition
    message["schema"].update(changes)
    return message


CUTS = [*a_cut(1, {"A": 1, "B": 2}, (10, 12)), a_state(1), *a_cut(2, {"A": 3}), a_state(2)]
PLAIN = [a_record("A", 1), a_record("B", 2), a_record("A", 3), a_state(1)]
NO_CUT_FIELDS = dict.fromkeys(["logical_timestamp_start", "logical_timestamp_end", "cut_id", "cut_size"])

FAST: dict[str, list[Message]] = {
    "cuts": [a_schema(), *CUTS],
    "plain records": [a_schema(), *PLAIN],
    "plain records of a plain schema": [a_stock_schema(**NO_CUT_FIELDS), *PLAIN],
    "cut fields that are required": [a_stock_schema(required=["cut_id", "cut_size"], type="object"), *CUTS],
    "both, one after the other": [a_schema(), *PLAIN, *CUTS],
    "words of somebody's own in the schema": [a_stock_schema(**{"x-of": {"a": 1}}), *CUTS],
}
EITHER: dict[str, list[Message]] = {
    "a field nobody knows": [a_schema(), a_record("A", 1, colour="red"), a_state(1)],
    "cut fields the schema does not know": [a_stock_schema(**NO_CUT_FIELDS), *CUTS],
    "cut fields the schema forbids": [a_stock_schema(**NO_CUT_FIELDS, additionalProperties=False), *CUTS],
    "plain records where cuts are required": [a_stock_schema(required=["cut_id"]), *PLAIN],
    "a null the schema does not allow": [
        a_stock_schema(cut_id={"type": "string"}),
        a_record("A", 1, cut_id=None, cut_size=None),
    ],
    "a quantity below zero": [a_schema(), a_record("A", -1)],
    "a quantity that is text": [a_schema(), a_record("A", "1")],
    "a quantity with a fraction of nothing": [a_schema(), a_record("A", 1.0)],
    "a narrower schema": [a_stock_schema(quantity={"type": "integer", "maximum": 1}), *CUTS],
    "a wider type": [a_stock_schema(quantity={"type": ["number", "integer", "null"]}), *CUTS],
    "no quantity": [a_schema(), {"type": "RECORD", "stream": "stock", "record": {"product_id": "A"}}],
    "a missing key": [{**a_schema(), "key_properties": ["fulfillment_node_id", "season"]}, *PLAIN],
    "a record before its schema": [a_record("A", 1)],
    "a schema that changes": [a_schema(), *PLAIN, a_stock_schema(quantity={"type": "integer", "maximum": 2}), *PLAIN],
    "an unfinished cut": [a_schema(), *a_cut(1, {"A": 1}, size=2)],
}


@pytest.mark.parametrize("name", [*FAST, *EITHER])
def test_both_ways_give_the_same_files_states_and_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    messages = FAST.get(name) or EITHER[name]
    fast = run(messages, tmp_path, capsys, fast=True)
    general = run(messages, tmp_path, capsys, fast=False)
    assert fast[:3] == general[:3]
    assert general.taken == 0
    if name in FAST:
        assert fast.error == ""
        assert fast.taken == sum(message["type"] == "RECORD" for message in messages)


CONFIGURED: dict[str, dict[str, t.Any]] = {
    "a stream map": {"stream_maps": {"stock": {"quantity": "quantity + 1"}}},
    "an alias": {"stream_maps": {"stock": {"__alias__": "goods"}}},
    "a filter": {"stream_maps": {"stock": {"__filter__": "product_id == 'A'"}}},
    "flattening": {"flattening_enabled": True, "flattening_max_depth": 2},
    "metadata": {"add_record_metadata": True},
    "a batch size": {"batch_size_rows": 1},
}


@pytest.mark.parametrize("name", CONFIGURED)
def test_what_a_user_configures_takes_the_general_way_and_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    messages = [a_schema(), *PLAIN]
    fast = run(messages, tmp_path, capsys, fast=True, **CONFIGURED[name])
    general = run(messages, tmp_path, capsys, fast=False, **CONFIGURED[name])
    assert (fast[:3], fast.taken, fast.error) == (general[:3], 0, "")
    quantities = {product: quantity for _, items in fast.files for _, product, quantity in items}
    expected = {"a stream map": {"A": 4, "B": 3}, "a filter": {"A": 3}}
    assert quantities == expected.get(name, {"A": 3, "B": 2})


def test_what_the_mapper_writes_takes_the_fast_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    erp = Erp(tmp_path / "on_hand.csv")
    erp.count("DC01", "SKU-1", 10)
    erp.count("DC01", "SKU-2", 10)
    settings = {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}", "on_hand_url": str(erp.path)}
    bookmark = {"replication_key": "logical_timestamp", "replication_key_value": 10, "position": 1, "store_id": "s"}
    done = run_plugin(
        "mapper-newstore-stock",
        tmp_path,
        settings,
        messages=[
            {"type": "SCHEMA", "stream": STREAM, "schema": {"properties": {}}, "key_properties": ["event_id"]},
            {"type": "RECORD", "stream": STREAM, "record": completed(10)},
            {"type": "STATE", "value": {"bookmarks": {STREAM: bookmark}}},
        ],
    )
    outcome = run(done.messages, tmp_path, capsys, fast=True)
    assert (outcome.error, outcome.taken) == ("", len(done.records)) == ("", 2)


def test_switching_validation_off_changes_nothing_for_stock_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = run([a_schema(), *CUTS], tmp_path, capsys, fast=True, validate_records=False)
    assert outcome == run([a_schema(), *CUTS], tmp_path, capsys, fast=True)


class OtherReader(SingerReader):
    """A reader that a user configured."""


class TargetWithOtherReader(TargetNewStoreStock):
    message_reader_class = OtherReader


@pytest.mark.parametrize(
    "make",
    [
        lambda config: TargetNewStoreStock(config=config, message_reader=OtherReader()),
        lambda config: TargetNewStoreStock(config=config, message_reader=MessageReader()),
        lambda config: TargetWithOtherReader(config=config),
    ],
    ids=["passed", "our own, without arguments", "as a class"],
)
def test_a_reader_that_a_user_configured_gives_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[dict[str, t.Any]], TargetNewStoreStock]
) -> None:
    messages = [a_schema(), *PLAIN, *CUTS]
    configured = run(messages, tmp_path, capsys, fast=True, make=make)
    assert configured == run(messages, tmp_path, capsys, fast=True)._replace(taken=0)
    assert configured.error == ""


def test_flattened_records_of_another_shape_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = {"type": "object", "properties": {"node": {"type": "string"}, "product": {"type": "string"}}}
    schema = {"properties": {"key": key, "quantity": {"type": "integer"}}}
    record = {"key": {"node": "DC01", "product": "A"}, "quantity": 4}
    names = {"fulfillment_node_id": "key['node']", "product_id": "key['product']", "quantity": "quantity"}
    outcome = run(
        [
            {"type": "SCHEMA", "stream": "erp", "schema": schema, "key_properties": []},
            {"type": "RECORD", "stream": "erp", "record": record},
        ],
        tmp_path,
        capsys,
        fast=True,
        flattening_enabled=True,
        flattening_max_depth=1,
        stream_maps={"erp": {**names, "__else__": None}},
    )
    assert [items for _, items in outcome.files] == [[("DC01", "A", 4)]], outcome.error


def test_a_schema_with_a_format_does_not_open_the_fast_path() -> None:
    assert allows_stock_records(a_schema()["schema"])
    dated = a_stock_schema(product_id={"type": "string", "format": "date-time"})
    assert not allows_stock_records(dated["schema"])
    assert not allows_stock_records(a_stock_schema(quantity={"type": "string"})["schema"])
    assert not allows_stock_records(a_stock_schema(patternProperties={})["schema"])
