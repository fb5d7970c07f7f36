"""Reads docs/your-erp.md: what it tells people to set is what its tests set."""

from __future__ import annotations

import re
import typing as t

import yaml

from tests.structure.packages import ROOT

PAGE = (ROOT / "docs" / "your-erp.md").read_text(encoding="utf-8")


def text_of(heading: str) -> str:
    """Return what stands below a heading, up to the next one of its level or above."""
    level = heading.partition(" ")[0]
    _, found, rest = PAGE.partition(f"{heading}\n")
    assert found, heading
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def code_of(heading: str, language: str) -> list[str]:
    """Return the pieces of code below a heading."""
    return re.findall(rf"```{language}\n(.*?)```", text_of(heading), re.DOTALL)


def settings_of(heading: str) -> dict[str, t.Any]:
    """Return the settings a section gives: its YAML, and its queries of numbers and of bookings if it has them."""
    settings: dict[str, t.Any] = yaml.safe_load("".join(code_of(heading, "yaml")))
    return dict(zip(("on_hand_query", "booked_query"), code_of(heading, "sql"), strict=False)) | settings
