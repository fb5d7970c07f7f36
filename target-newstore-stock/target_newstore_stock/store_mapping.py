"""The settings that say what locations are: `store_mapping` and `create_locations`.

Both may be text. Meltano takes a dot in the name of an entry for a level of its own (`DC.01` becomes `01` in `DC`) and
drops such entries from a variable; text passes untouched.
"""

from __future__ import annotations

import json
import logging
import typing as t

from target_newstore_stock.errors import ConfigurationError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

logger = logging.getLogger("target-newstore-stock.settings")

STORES = "stores"
BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off", ""), False),
}
EXPECTED = "expected node=store, node=store, with nothing behind = for a distribution centre, or a JSON object"


def read_store_mapping(value: object) -> dict[str, str] | None:
    """Return the store id of each fulfillment node; None: nothing is set.

    Args:
        value: The setting: an object, its JSON text, or text such as `DC.01=,NYC1=NYC1`.

    Raises:
        ConfigurationError: it is none of them; names the entry.
    """
    if isinstance(value, str):
        text = value.strip()
        return _unique(_object(text) if text.startswith("{") else _entries(text)) if text else None
    if value is None or isinstance(value, dict):
        return None if value is None else _unique(_flat(value))
    raise ConfigurationError(f"store_mapping: {value!r}: {EXPECTED}")


def creates_stores(value: object) -> bool:
    """Return whether nodes nobody names may become stores of their own name: only `stores` says so.

    Raises:
        ConfigurationError: the setting `create_locations` is neither `stores` nor a boolean.
    """
    text = "" if value is None else str(value).strip().lower()
    if text == STORES:
        return True
    if text not in BOOLEANS:
        raise ConfigurationError(f"create_locations: {value!r}: expected {STORES} or false")
    if BOOLEANS[text]:
        logger.warning(
            "create_locations: true does no more than false: set %s to create each unknown node as a store, for ever",
            STORES,
        )
    return False


def _object(text: str) -> Iterator[tuple[str, str]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = error if isinstance(error, ValueError) else "nested too deeply"
        raise ConfigurationError(f"store_mapping: not JSON: {reason}. {EXPECTED.capitalize()}") from error
    return _flat(content)


def _entries(text: str) -> Iterator[tuple[str, str]]:
    for entry in text.split(","):
        node, equals, store = (part.strip() for part in entry.partition("="))
        if not (node and equals):
            raise ConfigurationError(f"store_mapping: {entry.strip()!r}: {EXPECTED}")
        yield node, store


def _flat(content: Mapping[str, t.Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield each node and its store id; a store id is text, so an object is Meltano's doing."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        elif isinstance(value, str):
            yield f"{above}{name}", value
        else:
            raise ConfigurationError(f"store_mapping: {above}{name} has {value!r}, expected the text of a store id")


def _unique(entries: Iterable[tuple[str, str]]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for node, store in entries:
        if mapping.setdefault(node, store) != store:
            raise ConfigurationError(
                f"store_mapping: {node} is named twice, with {mapping[node]!r} and {store!r}", to_do="Name it once"
            )
    return mapping
