"""What the code and the pages cite is there: design rules, sections of the wire contract, messages."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import typing as t

import pytest
from mapper_newstore_stock.ledger import past_tables
from mapper_newstore_stock.ledger import tables as ledger_tables
from tap_newstore_fulfillment.landing import tables as landing_tables

from tests.documentation.plugins import PROJECT
from tests.structure.packages import PACKAGES, modules

if t.TYPE_CHECKING:
    from collections.abc import Iterator

RULES = re.compile(r"design rules? (\d+(?:(?:, | and | to )\d+)*)", re.IGNORECASE)
SECTIONS = re.compile(r"newstore-api\.md\)?, sections? (\d+(?:(?:, | and | to )\d+)*)")
QUOTED = re.compile(r'\| "([^"|]+)" \|')


def cited(pattern: re.Pattern[str]) -> dict[int, list[str]]:
    """Return each number that is cited, with the files that cite it."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "*.sql"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    found: dict[int, list[str]] = {}
    for name in listed.stdout.split():
        # A citation may be broken over two lines of a comment.
        text = re.sub(r"\s*\n\s*(?:#:? )?", " ", (PROJECT / name).read_text(encoding="utf-8"))
        for numbers in pattern.findall(text):
            for number in _numbers(numbers):
                found.setdefault(number, []).append(name)
    return found


def test_every_design_rule_that_is_cited_is_in_the_design() -> None:
    text = (PROJECT / "docs" / "design.md").read_text(encoding="utf-8")
    rules = {int(number) for number in re.findall(r"^### Rule (\d+): ", text, re.MULTILINE)}
    assert rules == set(range(1, 19))
    citations = cited(RULES)
    assert len(citations) > 8
    assert not {number: files for number, files in citations.items() if number not in rules}


def test_the_design_says_of_every_table_who_writes_it() -> None:
    text = (PROJECT / "docs" / "design.md").read_text(encoding="utf-8")
    rows = text.partition("### Who writes which table")[2].partition("\n## ")[0]
    said = set(
        re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows.splitlines() if row.startswith("| `")))
    )
    folded = past_tables.folded.name
    assert folded in ledger_tables.metadata.tables
    lasting = {*landing_tables.metadata.tables, *ledger_tables.metadata.tables}
    assert said == lasting - {landing_tables.landing_store.name}


def test_every_section_of_the_wire_contract_that_is_cited_is_there() -> None:
    text = (PROJECT / "docs" / "newstore-api.md").read_text(encoding="utf-8")
    sections = {int(number) for number in re.findall(r"^## (\d+)\. ", text, re.MULTILINE)}
    citations = cited(SECTIONS)
    assert citations.keys() == sections


def test_ranges_of_citations_are_read() -> None:
    assert [_numbers(text) for text in ("7", "1 and 2", "3 to 5", "1, 3 and 6")] == [[7], [1, 2], [3, 4, 5], [1, 3, 6]]


def test_every_message_quoted_in_the_runbook_is_one_the_programs_print() -> None:
    quoted = QUOTED.findall((PROJECT / "docs" / "runbook.md").read_text(encoding="utf-8"))
    printed = list(messages())
    assert len(quoted) >= 4
    assert not [message for message in quoted if not any(message in text for text in printed)]


@pytest.mark.parametrize("module", ["design.md", "newstore-api.md"])
def test_the_plan_is_listed_among_the_pages(module: str) -> None:
    assert f"]({module})" in (PROJECT / "docs" / "README.md").read_text(encoding="utf-8")


def messages() -> Iterator[str]:
    """Yield what the packages raise, log and echo, with `…` for each value, and what their SQL raises."""
    for module in itertools.chain.from_iterable(map(modules, PACKAGES)):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Raise, ast.Call)):
                yield from _texts(node)
    for package in PACKAGES.values():
        for script in package.rglob("*.sql"):
            yield script.read_text(encoding="utf-8")


def _texts(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.JoinedStr):
            yield "".join(str(value.value) if isinstance(value, ast.Constant) else "…" for value in part.values)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def _numbers(text: str) -> list[int]:
    first, *rest = (int(number) for number in re.findall(r"\d+", text))
    return list(range(first, rest[0] + 1)) if " to " in text else [first, *rest]
