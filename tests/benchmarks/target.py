"""Stock records to a finished zip, beside an SDK target whose sink drops everything.

The same records are also measured as one BATCH of gzipped JSONL, and writing that file alone, to
show whether BATCH messages between the plugins would pay.
"""

from __future__ import annotations

import gzip
import sys
import time
import typing as t

import msgspec

from tests.benchmarks.measuring import Measured, in_turns, run_process

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.measuring import Report

#: The mapper's own schema.
SCHEMA = {
    "type": "object",
    "properties": {
        "fulfillment_node_id": {"type": ["string"]},
        "product_id": {"type": ["string"]},
        "quantity": {"type": ["integer"]},
        "logical_timestamp_start": {"type": ["integer", "null"]},
        "logical_timestamp_end": {"type": ["integer", "null"]},
        "cut_id": {"type": ["string"]},
        "cut_size": {"type": ["integer"]},
    },
    "required": ["fulfillment_node_id", "product_id", "quantity", "cut_id", "cut_size"],
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "x-cuts-of": {
        "ledger": "d094c4588a7e4d5986f09222f2ed583e",
        "planned_at": "2026-11-30T22:00:00+00:00",
        "run": "ea78ec894bdb",
        "runs_before": ["6500e880b387"],
    },
}
SDK = "SDK target, sink drops all"
OURS = "stock records to a zip"
MIXED = "the same, keys in no order"
BATCHED, GZIPPING = "the same as a BATCH of JSONL.gz", "writing that BATCH's file"
REQUIRED_RATIO = 8.0
#: Larger inputs are measured for our target only.
MOST_FOR_THE_SDK = 1_000_000


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure all variants in turn."""
    ordered = write_messages(directory / "ordered.jsonl", size)
    mixed = write_messages(directory / "mixed.jsonl", size, step=7_919)

    def drop_all() -> Measured:
        return run_process([sys.executable, "-m", "tests.benchmarks.dropping_target"], stdin=ordered)

    def to_zip(messages: Path) -> Measured:
        target = directory / "stock.zip"
        return run_process([sys.executable, "-m", "tests.benchmarks.zipping_target", str(target)], stdin=messages)

    if size > MOST_FOR_THE_SDK:
        ours = {OURS: lambda: to_zip(ordered), MIXED: lambda: to_zip(mixed)}
        report.add("target", size, in_turns(ours, rounds), {})
        return
    batched = directory / "batched.jsonl"
    ways = {
        SDK: drop_all,
        OURS: lambda: to_zip(ordered),
        MIXED: lambda: to_zip(mixed),
        GZIPPING: lambda: _write_batch(ordered, batched),
        BATCHED: lambda: to_zip(batched),
    }
    report.add("target", size, in_turns(ways, rounds), {(OURS, SDK): REQUIRED_RATIO})


def _write_batch(messages: Path, path: Path) -> Measured:
    """Measure writing the records of some messages to a gzipped file; write a BATCH message that names it to `path`."""
    lines = messages.read_bytes().splitlines()
    record = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    records = [bytes(record(line)["record"]) for line in lines[1:-1]]
    file = path.with_suffix(".gz")
    begun = time.perf_counter()
    file.write_bytes(gzip.compress(b"\n".join(records), compresslevel=6))
    seconds = time.perf_counter() - begun
    manifest = {"encoding": {"format": "jsonl", "compression": "gzip"}, "manifest": [file.as_uri()]}
    batch = msgspec.json.encode({"type": "BATCH", "stream": "stock", **manifest})
    path.write_bytes(b"\n".join([lines[0], batch, lines[-1]]) + b"\n")
    return Measured(seconds, 0.0)


def write_messages(path: Path, size: int, step: int = 1) -> Path:
    """Write one cut. With a `step` coprime to `size`, the keys are in no order."""
    encode = msgspec.json.Encoder().encode
    key = ["fulfillment_node_id", "product_id"]
    cut = {"logical_timestamp_start": 10, "logical_timestamp_end": 10 + size, "cut_id": "17", "cut_size": size}
    with path.open("wb") as file:
        schema = {"type": "SCHEMA", "stream": "stock", "schema": SCHEMA, "key_properties": key}
        file.write(encode(schema) + b"\n")
        for number in range(size):
            place = number * step % size
            record = {
                "fulfillment_node_id": f"DC{place * 10 // size:02}",
                "product_id": f"SKU-{place:09}",
                "quantity": place % 50,
                **cut,
            }
            file.write(encode({"type": "RECORD", "stream": "stock", "record": record}) + b"\n")
        file.write(encode({"type": "STATE", "value": {"bookmarks": {"stock": {"cut": 17}}}}) + b"\n")
    return path
