"""BATCH messages: their records are handled like others, and cuts stay whole (design rule 8)."""

from __future__ import annotations

import gzip
import json
import typing as t

import pytest

from tests.target.runs import run_target
from tests.target.stock_messages import a_cut, a_record, a_state, acknowledged

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.newstore import NewStore
    from tests.target.stock_messages import Message


def a_batch(directory: Path, *parts: list[Message], compression: str | None = "gzip", form: str = "jsonl") -> Message:
    """Write each part's records to a file, and return one BATCH message for all."""
    manifest = []
    for number, part in enumerate(parts):
        content = "".join(json.dumps(message["record"]) + "\n" for message in part).encode()
        path = directory / f"batch-{number}.jsonl"
        path.write_bytes(gzip.compress(content) if compression else content)
        manifest.append(path.as_uri())
    return {
        "type": "BATCH",
        "stream": "stock",
        "encoding": {"format": form, "compression": compression},
        "manifest": manifest,
    }


@pytest.mark.parametrize("compression", ["gzip", None])
def test_a_cut_in_batch_files_is_one_import(newstore: NewStore, tmp_path: Path, compression: str | None) -> None:
    first, *rest = a_cut(1, {"A": 7, "B": 1, "C": 0}, (10, 12))
    batch = a_batch(tmp_path, [first], rest, compression=compression)
    done = run_target(newstore, tmp_path, batch, a_state(1))
    assert (done.code, acknowledged(done.messages)) == (0, [1]), done.log
    assert [job["size"] for job in newstore.imports()] == [3]
    assert newstore.ranges() == [(10, 12)]


def test_a_cut_that_ends_inside_its_batch_is_not_imported(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(newstore, tmp_path, a_batch(tmp_path, a_cut(1, {"A": 7}, size=2)), a_state(1))
    assert (done.code, done.output) == (1, "")
    assert "the input ended inside cut 1, after 1 of 2 records" in done.log
    assert newstore.imports() == []


def test_a_stream_map_holds_for_batches_too(newstore: NewStore, tmp_path: Path) -> None:
    batch = a_batch(tmp_path, [a_record("A", 7), a_record("B", 1)])
    maps = {"stock": {"quantity": "quantity * 2", "__filter__": "product_id == 'A'"}}
    done = run_target(newstore, tmp_path, batch, a_state(1), stream_maps=maps)
    assert done.code == 0, done.log
    assert [job["items"] for job in newstore.imports()] == [
        [{"fulfillment_node_id": "DC01", "product_id": "A", "quantity": 14}]
    ]


def test_a_truncated_or_absent_file_imports_nothing_and_is_one_line(newstore: NewStore, tmp_path: Path) -> None:
    batch = a_batch(tmp_path, a_cut(1, {f"P{number}": number for number in range(500)}))
    path = tmp_path / "batch-0.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    truncated = run_target(newstore, tmp_path, batch, a_state(1))
    path.unlink()
    absent = run_target(newstore, tmp_path, batch, a_state(1))
    for done in (truncated, absent):
        assert (done.code, done.output) == (1, "")
        assert "batch-0.jsonl cannot be read" in done.log
        assert "Traceback" not in done.log
    assert newstore.imports() == []


def test_a_kind_of_file_that_is_not_read_is_named(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(newstore, tmp_path, a_batch(tmp_path, [a_record("A", 7)], form="parquet"))
    assert (done.code, done.output) == (1, "")
    assert "BATCH files of parquet with compression gzip are not read here" in done.log


@pytest.mark.parametrize(
    "url", ["http://user:hush@127.0.0.1:1/a.jsonl", "http://127.0.0.1:1/a.jsonl?X-Amz-Signature=hush"]
)
def test_a_secret_in_the_url_of_a_file_is_not_shown(newstore: NewStore, tmp_path: Path, url: str) -> None:
    batch = {"type": "BATCH", "stream": "stock", "encoding": {"format": "jsonl"}, "manifest": [url]}
    done = run_target(newstore, tmp_path, batch, a_state(1))
    assert (done.code, done.output) == (1, "")
    assert "cannot be read" in done.log
    assert "hush" not in done.log
    assert "Traceback" not in done.log


@pytest.mark.parametrize(
    "wrong",
    [{"encoding": "jsonl"}, {"manifest": "file:///a.jsonl"}, {"manifest": [1]}, {"stream": 5}, {"encoding": None}],
)
def test_a_batch_of_another_shape_is_one_line(newstore: NewStore, tmp_path: Path, wrong: dict[str, t.Any]) -> None:
    batch = {"type": "BATCH", "stream": "stock", "encoding": {"format": "jsonl"}, "manifest": [], **wrong}
    done = run_target(newstore, tmp_path, batch, a_state(1))
    assert (done.code, done.output) == (1, "")
    assert "a BATCH message of another shape came" in done.log
    assert "[NSS-380]" in done.log
    assert "Traceback" not in done.log
