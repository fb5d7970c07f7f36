"""The report in a real Chromium: no network, fits a phone, works by keyboard, readable in both schemes."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from mapper_newstore_stock.report.page import SECTIONS

from tests.mapper.shop_day import ShopDay, completed
from tests.mapper.test_report import events_of, report
from tests.shop import browser

if t.TYPE_CHECKING:
    from collections.abc import Iterator

#: Pictures of the page for people; not committed.
SCREENSHOTS = Path(__file__).parents[2] / ".screenshots"
FOCUSED = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
COLOURS = """(() => {
  const look = name => getComputedStyle(document.querySelector(name));
  return [look("body").backgroundColor, look("body").color, look(".note").color, look("nav a").color,
          look("svg text").fill, look(".line.atp").stroke, look(".line.quantity").stroke];
})()"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Write a page with imports, a late event and a change of the ERP's row, and return its URL."""
    day = ShopDay(tmp_path)
    day.erp.count("DC01", "SKU-1", 10)
    day.run(completed(10), completed(12))
    day.erp.count("DC01", "SKU-1", 19, as_of=10)
    day.run(completed(11), completed(14))
    done = report(day, tmp_path / "page.html", "--events", events_of(day, tmp_path))
    assert done.returncode == 0, done.stderr
    return (tmp_path / "page.html").as_uri()


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[browser.Browser]:
    path = browser.find()
    if path is None:
        # No wheel brings it; test_report.py checks the page without it.
        pytest.skip("no Chromium on this machine: install Debian's package `chromium` to run this test")
    with browser.Browser(path, tmp_path) as running:
        yield running


def test_the_page_works_in_a_real_browser(url: str, chromium: browser.Browser) -> None:
    chromium.open(url, width=360, height=740)
    requests = [said["request"]["url"] for method, said in chromium.events if method == "Network.requestWillBeSent"]
    assert requests == [url], "nothing but the page itself is fetched"
    assert [said for method, said in chromium.events if method in ("Log.entryAdded", "Runtime.exceptionThrown")] == []
    assert chromium.evaluate("document.documentElement.scrollWidth") <= 360, "only the charts scroll sideways"
    smallest = (
        "Math.min(...[...document.querySelectorAll('svg text')].map(each => each.getBoundingClientRect().height))"
    )
    assert chromium.evaluate(smallest) > 10, "text in charts can be read on a phone"

    stops = []
    for _ in range(len(SECTIONS) + 3):
        chromium.press("Tab")
        stops.append(chromium.evaluate(FOCUSED))
    assert stops == [
        "Skip to the figures",
        *SECTIONS.values(),
        "Imports and their ranges of logical timestamps",
        "As a table",
    ]
    chromium.evaluate("document.querySelector('summary').focus()")
    chromium.press("Enter")
    assert chromium.evaluate("document.querySelector('details').open") is True

    for scheme in ("light", "dark"):
        chromium.prefer(scheme)
        paper, *inks = chromium.evaluate(COLOURS)
        assert all(contrast(ink, paper) >= 4.5 for ink in inks), (scheme, paper, inks)
        assert (luminance(paper) < 0.1) is (scheme == "dark")
        chromium.screenshot(SCREENSHOTS / f"phone-{scheme}.png")
    chromium.open(url, width=1200, height=900)
    chromium.screenshot(SCREENSHOTS / "desktop.png")
    assert (SCREENSHOTS / "desktop.png").read_bytes().startswith(b"\x89PNG")


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.2): 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of "rgb(r, g, b)" (WCAG 2.2)."""
    parts = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
