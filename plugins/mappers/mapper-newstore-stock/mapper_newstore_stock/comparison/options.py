"""The options that say how NewStore's numbers are to be understood, some of them as the target has them."""

from __future__ import annotations

import datetime as dt
import os
import typing as t

import click
import msgspec

from mapper_newstore_stock.comparison.causes import Ways
from mapper_newstore_stock.errors import ConfigurationError
from mapper_newstore_stock.newstore_options import NEWSTORE
from mapper_newstore_stock.run.globs import matcher

if t.TYPE_CHECKING:
    from collections.abc import Callable

MAPPER = "MAPPER_NEWSTORE_STOCK_"
VISIBLE_MINUTES = 60.0
#: A year.
MOST_MINUTES = 525_600


class Understanding(t.NamedTuple):
    """How this tenant counts, and since when an import must be visible."""

    ways: Ways
    visible_since: dt.datetime

    @classmethod
    def taken_from(cls, options: dict[str, t.Any]) -> t.Self:
        """Take the options out of a command's."""
        nodes = options.pop("future_inventory_nodes") | frozenset(options.pop("future_node"))
        minutes = dt.timedelta(minutes=options.pop("visible_minutes"))
        config = click.get_current_context().find_root().params.get("config") or {}
        ways = Ways(options.pop("mode") == "atp", options.pop("safety_stock"), nodes, _ignored_by(config))
        return cls(ways, dt.datetime.now(tz=dt.UTC) - minutes)


def _ignored_by(config: dict[str, t.Any]) -> Callable[[tuple[str, str]], bool]:
    """Return what tells whether the mapper ignores a key, by its configuration or its variables.

    The rest of its configuration may be missing: a comparison needs none of it.
    """
    node, product = (
        matcher(
            config.get(name) or sorted(_names(f"{MAPPER}{name.upper()}", os.environ.get(f"{MAPPER}{name.upper()}")))
        )
        for name in ("ignored_nodes", "ignored_products")
    )
    return lambda key: bool((node and node(key[0])) or (product and product(key[1])))


def _nodes(_context: click.Context, _option: click.Parameter, text: str | None) -> frozenset[str]:
    return _names(f"--future-inventory-nodes, {NEWSTORE}FUTURE_INVENTORY_NODES", text)


def _names(setting: str, text: str | None) -> frozenset[str]:
    """Return the names of a JSON list, or between commas.

    Raises:
        ConfigurationError: it is neither.
    """
    text = (text or "").strip()
    if not text.startswith(("[", "{")):
        return frozenset(node.strip() for node in text.split(",")) - {""}
    try:
        return frozenset(msgspec.json.decode(text, type=list[str]))
    except msgspec.DecodeError:
        expected = 'expected names, as ["DC01", "DC02"] or DC01,DC02'
        raise ConfigurationError(f"{setting}: {text[:50]!a}: {expected}") from None


def _minutes(_context: click.Context, _option: click.Parameter, minutes: float) -> float:
    """Return the minutes.

    Raises:
        ConfigurationError: there are no so many.
    """
    if not 0 <= minutes <= MOST_MINUTES:
        raise ConfigurationError(f"--visible-minutes {minutes:g}: expected 0 to {MOST_MINUTES}")
    return minutes


_OPTIONS = (
    click.option(
        "--mode",
        type=click.Choice(["none", "atp"]),
        envvar=f"{NEWSTORE}MODE",
        help="The target's setting `mode`.",
    ),
    click.option(
        "--future-inventory-nodes",
        envvar=f"{NEWSTORE}FUTURE_INVENTORY_NODES",
        callback=_nodes,
        metavar="NODES",
        help="The target's setting `future_inventory_nodes`.",
    ),
    click.option("--future-node", multiple=True, metavar="NODE", help="Future inventory is loaded here; repeatable."),
    click.option("--safety-stock", type=click.IntRange(0), default=0, help="Units NewStore may hold back of a key."),
    click.option(
        "--visible-minutes",
        type=float,
        default=VISIBLE_MINUTES,
        show_default=True,
        callback=_minutes,
        help="So long an import that has finished may not be visible.",
    ),
)


def understanding_options(command: t.Callable[..., None]) -> t.Callable[..., None]:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
