"""Builds HTML and SVG from values; everything that is not markup is escaped."""

from __future__ import annotations

import html
import typing as t

from mapper_newstore_stock.formats import shown

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Elements that have no end tag in HTML.
VOID = frozenset({"meta", "link", "br", "input"})

#: Text up to this length is not broken.
SHORT = 22


class Markup(str):
    """Text that is already markup."""

    __slots__ = ()


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """Return an element.

    Args:
        tag: Its name.
        children: Markup is kept, anything else escaped; None adds nothing.
        attributes: In names `_` becomes `-`, and a trailing one is dropped. A value of None leaves the
            attribute out.
    """
    said = "".join(
        f' {_name(key)}="{html.escape(shown(value))}"' for key, value in attributes.items() if value is not None
    )
    if tag in VOID:
        return Markup(f"<{tag}{said}>")
    return Markup(f"<{tag}{said}>{joined(children)}</{tag}>")


def joined(children: Iterable[object]) -> Markup:
    """Return children one after the other."""
    return Markup("".join(_text(child) for child in children))


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """Return a table that scrolls sideways, by keyboard too; the first cell of a row is its heading."""
    lines = list(rows)
    are_figures = [_are_figures([line[place] for line in lines]) for place in range(len(columns))]
    heads = [
        element("th", column, scope="col", class_="n" if is_figure else None)
        for column, is_figure in zip(columns, are_figures, strict=True)
    ]
    body = [element("tr", *map(_table_cell, range(len(line)), line, are_figures)) for line in lines]
    whole = element(
        "table", element("caption", caption), element("thead", element("tr", *heads)), element("tbody", *body)
    )
    return scrolling(caption, whole)


def _are_figures(values: Sequence[object]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, (int, float)) for value in known)


def _table_cell(place: int, value: object, is_figure: bool) -> Markup:
    """Return a cell: figures stand under each other, and what is short stays on one line."""
    is_short = value is None or (not isinstance(value, Markup) and len(str(value)) <= SHORT)
    kind = "n" if is_figure else "short" if is_short else None
    if place == 0:
        return element("th", _cell(value), scope="row", class_=kind)
    return element("td", _cell(value), class_=kind)


def scrolling(label: str, *children: object) -> Markup:
    """Return a scrolling box for what may be wider than a phone, which says so where it is."""
    box = element("div", *children, class_="wide", role="region", aria_label=label, tabindex=0)
    return joined((box, element("p", "Scroll sideways to see all of it \u2192", class_="hint")))


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-") if key != "viewBox" else key


def _text(child: object) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Markup) else html.escape(shown(child))


def _cell(value: object) -> object:
    return "-" if value is None else value
