"""The figures of docs/your-erp.md are what `python -m tests.end_to_end.wrong_forms` measures."""

from __future__ import annotations

import typing as t

import pytest

from tests.end_to_end.wrong_forms import MISTAKES, Mistake, line
from tests.mapper.your_erp import text_of
from tests.shop.warm_start import Forks

if t.TYPE_CHECKING:
    from collections.abc import Iterator

HEADING = "## What goes wrong with the wrong form"


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as running:
        yield running


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.wrong.happens.__name__)
def test_what_a_mistake_does_is_what_the_page_says(mistake: Mistake, forks: Forks) -> None:
    assert line(mistake, forks) in text_of(HEADING).splitlines()


def test_the_page_names_no_other_mistake() -> None:
    rows = [row for row in text_of(HEADING).splitlines() if row.startswith("| ")]
    assert len(rows) - 1 == len(MISTAKES)
