"""Lines that are no Singer messages, no input, and an output that takes no STATE: one line, never a traceback."""

from __future__ import annotations

import json
import subprocess
import typing as t

import pytest

from tests.shop.process import command, environment
from tests.target.stock_messages import a_cut, a_schema, a_state

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.newstore import NewStore

RUN_SECONDS = 60
MESSAGES = [a_schema(), *a_cut(1, {"A": 7}, (1, 2)), a_state(1)]


def run_in_shell(newstore: NewStore, directory: Path, content: bytes, redirected: str) -> tuple[int, str, str]:
    """Run the target on an input, with a shell's redirections; return its exit code, output and log."""
    config, lines = directory / "config.json", directory / "lines"
    config.write_text(json.dumps(newstore.target_settings), encoding="utf-8")
    lines.write_bytes(content)
    words = f"exec {command('target-newstore-stock')} --config {config} < {lines} {redirected}"
    # In the C locale Python reads bytes that are no UTF-8 as lone surrogates.
    variables = {**environment(), "LC_ALL": "C", "PYTHONUNBUFFERED": ""}
    done = subprocess.run(words, shell=True, capture_output=True, timeout=RUN_SECONDS, env=variables, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def encoded(*messages: object) -> bytes:
    return "".join(json.dumps(message) + "\n" for message in messages).encode()


@pytest.mark.parametrize(
    "last",
    [
        {"type": "SCHEMA", "stream": "stock", "schema": None, "key_properties": []},
        {"type": "SCHEMA", "stream": "stock", "schema": {"properties": [1]}, "key_properties": []},
        {"type": "SCHEMA", "stream": 5, "schema": {"properties": {}}, "key_properties": []},
        {"type": "RECORD", "stream": "stock", "record": None},
        {"type": "RECORD", "stream": "stock", "record": [1]},
        {"type": "RECORD", "stream": 5, "record": {}},
        {"type": ["RECORD"]},
    ],
)
def test_a_message_of_another_shape_is_one_line_and_no_state_follows(
    newstore: NewStore, tmp_path: Path, last: object
) -> None:
    code, output, log = run_in_shell(newstore, tmp_path, encoded(a_schema(), last, a_state(1)), "")
    assert (code, output) == (1, "")
    assert "[NSS-380]" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("content", [b'\xff\xfe{"type"', encoded(MESSAGES[0]) + b'{"type":"RECORD\xff"}\n'])
def test_an_input_that_is_not_utf_8_is_one_line_in_every_locale(
    newstore: NewStore, tmp_path: Path, content: bytes
) -> None:
    code, output, log = run_in_shell(newstore, tmp_path, content, "")
    assert (code, output) == (1, "")
    assert "the input is not UTF-8" in log
    assert "Traceback" not in log


def test_a_closed_input_is_one_line(newstore: NewStore, tmp_path: Path) -> None:
    code, output, log = run_in_shell(newstore, tmp_path, b"", "<&-")
    assert (code, output) == (1, "")
    assert "there is no input: stdin is closed" in log
    assert "Traceback" not in log


@pytest.mark.fault("F21")
@pytest.mark.parametrize(
    ("redirected", "why"), [(">/dev/full", "No space left on device"), (">&-", "stdout is closed")]
)
def test_a_state_that_cannot_be_written_is_one_line_and_the_next_run_repeats(
    newstore: NewStore, tmp_path: Path, redirected: str, why: str
) -> None:
    code, _, log = run_in_shell(newstore, tmp_path, encoded(*MESSAGES), redirected)
    assert code == 1
    assert f"the STATE cannot be written: {why}" in log
    assert "Traceback" not in log
    assert newstore.on_hand("DC01", "A") == 7
    code, output, log = run_in_shell(newstore, tmp_path, encoded(*MESSAGES), "")
    assert (code, json.loads(output)) == (0, a_state(1)["value"]), log
