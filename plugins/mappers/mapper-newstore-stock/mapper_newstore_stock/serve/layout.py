"""The frame of all pages: navigation, search, and what is on the page."""

from __future__ import annotations

import importlib.resources
import typing as t
import urllib.parse

from mapper_newstore_stock.report.markup import Markup, element, joined

if t.TYPE_CHECKING:
    from collections.abc import Mapping

PAGES = {
    "/": "Overview",
    "/keys": "Keys",
    "/imports": "Imports",
    "/attention": "Attention",
    "/health": "Health",
}


def document(title: str, current: str | None, *parts: object, asked: str = "") -> str:
    """Return a whole page.

    Args:
        title: Its heading.
        current: Its place in the navigation; None: it has neither navigation nor search.
        parts: What is on it.
        asked: What the search field holds.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} - NewStore stock sync"),
        element("link", rel="stylesheet", href="/style.css"),
    )
    top = element("header", element("p", "NewStore stock sync", class_="brand"), *_navigation(current, asked))
    main = element("main", element("h1", title), *parts, id="main")
    skip = element("a", "Skip to the page", href="#main", class_="skip")
    return f"<!DOCTYPE html>\n{element('html', head, element('body', skip, top, main), lang='en')}\n"


def style() -> str:
    """Return the style sheet: the report's, and what these pages have beside it."""
    from_report = importlib.resources.files("mapper_newstore_stock.report").joinpath("report.css")
    ours = importlib.resources.files(__package__).joinpath("serve.css")
    return from_report.read_text(encoding="utf-8") + ours.read_text(encoding="utf-8")


def section(title: str, *parts: object) -> Markup:
    """Return a part of a page under its own heading."""
    return element("section", element("h2", title), *parts)


def note(text: str) -> Markup:
    """Return a sentence that explains."""
    return element("p", text, class_="note")


def figures(values: Mapping[str, object]) -> Markup:
    """Return figures with their names."""
    return element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in values.items()))


def key_link(node: str, product: str) -> Markup:
    """Return a link to a key's page."""
    where = urllib.parse.urlencode({"node": node, "product": product}, errors="replace")
    return element("a", f"{node}/{product}", href=f"/key?{where}")


def _navigation(current: str | None, asked: str) -> list[Markup]:
    if current is None:
        return []
    links = [
        element("li", element("a", name, href=path, aria_current="page" if path == current else None))
        for path, name in PAGES.items()
    ]
    search = element(
        "form",
        element("label", "Find a key", for_="q"),
        element("input", id="q", name_="q", type="search", value=asked, placeholder="SKU-1, DC01 or DC01/SKU-1"),
        element("button", "Search", type="submit"),
        role="search",
        method="get",
        action="/keys",
    )
    return [element("nav", element("ul", *links), aria_label="Pages"), joined([search])]
