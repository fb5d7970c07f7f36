"""Keys that no NewStore can have: they are left out of a file before it is zipped (design rule 13).

Of an id with a control character nothing can be sold: the receiver of its events would have set them aside, and no
range covers them. A product whose id has `=` or `%`, or more than 255 characters, is none of NewStore's either
(newstore-api.md, section 3), unless NewStore shows ATP of it: then it is one, and its number goes out.
"""

from __future__ import annotations

import collections
import logging
import re
import typing as t
import unicodedata

from target_newstore_stock.stock_file import key_of

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from target_newstore_stock.keys import Key
    from target_newstore_stock.stock_file import StockFile

    ReadAtp = Callable[[Iterable[Key]], Mapping[Key, int]]

logger = logging.getLogger("target-newstore-stock.possible_keys")

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
LONGEST_PRODUCT = 255
#: The keys of a larger file are not compared with each other: that would take as much memory as they have.
MOST_COMPARED = 100_000
NAMED = 3
SHOWN_CHARACTERS = 60


def leave_out_impossible(file: StockFile, read_atp: ReadAtp) -> int:
    """Leave out the items of keys NewStore cannot have, and return how many there are.

    Args:
        file: The items.
        read_atp: Returns the ATP of each key NewStore knows.
    """
    odd = [(position, key_of(item)) for position, item in file.odd_items()]
    foreign = [key for _, key in odd if not _has_control(key) and _breaks_the_contract(key)]
    known = read_atp(foreign) if foreign else {}
    impossible = [
        (position, key)
        for position, key in odd
        if _has_control(key) or (_breaks_the_contract(key) and key not in known)
    ]
    if impossible:
        file.leave_out_at({position for position, _ in impossible})
        logger.warning(
            "No NewStore can have these keys, so their %d items are left out: %s. A product has at most %d characters, "
            "none of them = or %%, and no id a control character: correct them in the ERP",
            len(impossible),
            _some(map(shown, (key for _, key in impossible))),
            LONGEST_PRODUCT,
        )
    return len(impossible)


def warn_of_similar(file: StockFile) -> None:
    """Name keys of a file that differ only in case, blanks or normal form: NewStore may take them for one."""
    if file.items > MOST_COMPARED:
        return
    alike: dict[Key, list[Key]] = collections.defaultdict(list)
    for item in file.read_items():
        node, product = key_of(item)
        alike[folded(node), folded(product)].append((node, product))
    if groups := [keys for keys in alike.values() if len(set(keys)) > 1]:
        logger.warning(
            "%d keys differ from another one only in case, blanks or the form of a letter: %s. If NewStore takes two "
            "of them for one, one of their numbers is wrong: let the ERP write each key in one way",
            sum(map(len, groups)),
            _some(" and ".join(map(shown, keys)) for keys in groups),
        )


def shown(key: Key) -> str:
    """Return a key as a log can show it."""
    return "/".join(repr(part[:SHOWN_CHARACTERS])[1:-1] for part in key)


def _has_control(key: Key) -> bool:
    return any(CONTROL.search(part) for part in key)


def _breaks_the_contract(key: Key) -> bool:
    product = key[1]
    return "=" in product or "%" in product or len(product) > LONGEST_PRODUCT


def folded(text: str) -> str:
    """Return what is left of an id without case, outer blanks and forms of letters."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _some(texts: Iterable[str]) -> str:
    some: Iterator[str] = iter(texts)
    named = [text for text, _ in zip(some, range(NAMED), strict=False)]
    return ", ".join(named) + (" and others" if next(some, None) is not None else "")
