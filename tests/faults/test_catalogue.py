"""Every fault and every mistake in the catalogue has a test (`pytest -s tests/faults/test_catalogue.py` prints it)."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from tests.faults.reports.catalogue import ADAPTER_MISTAKES, FAULTS

ROOT = Path(__file__).parents[2]
Tests = dict[str, list[str]]


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tests]:
    """Return the marked tests of the whole project, by marker and argument."""
    path = tmp_path_factory.mktemp("catalogue") / "tests.json"
    options = ["-p", "tests.faults.reports.collected", f"--write-catalogue={path}", "--collect-only", "-q", "tests"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    return t.cast("dict[str, Tests]", json.loads(path.read_text(encoding="utf-8")))


def test_every_fault_has_a_test(collected: dict[str, Tests]) -> None:
    tests = collected["fault"]
    print_table("Faults", [(number, *texts, tests.get(number, [])) for number, texts in FAULTS.items()])
    assert tests.keys() == FAULTS.keys()


def test_every_mistake_of_other_adapters_has_a_test(collected: dict[str, Tests]) -> None:
    tests = collected["adapter_mistake"]
    rows = [("", mistake, "not here", tests.get(mistake, [])) for mistake in ADAPTER_MISTAKES]
    print_table("What other adapters did", rows)
    assert tests.keys() == set(ADAPTER_MISTAKES)


def print_table(title: str, rows: list[tuple[str, str, str, list[str]]]) -> None:
    table = Table("", "fault", "expected", title=title)
    table.add_column("tests", overflow="fold")
    table.add_column("cases", justify="right")
    for number, fault, expected, tests in rows:
        names = dict.fromkeys(test.removeprefix("tests/").partition("[")[0] for test in tests)
        table.add_row(number, fault, expected, "\n".join(names), str(len(tests)))
    Console(width=200).print(table)
