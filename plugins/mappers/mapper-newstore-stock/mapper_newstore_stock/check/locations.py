"""Whether NewStore knows the fulfillment nodes of the ERP's lists, where the target's settings say who asks."""

from __future__ import annotations

import collections
import json
import typing as t
import unicodedata

import msgspec
import requests

from mapper_newstore_stock.availabilities import CALL_SECONDS
from mapper_newstore_stock.errors import ServerError
from mapper_newstore_stock.newstore_options import NEWSTORE, missing, sign_in

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper_newstore_stock.findings import Findings
    from mapper_newstore_stock.newstore_options import Given

TO_DO = f"Correct {NEWSTORE}* or the options (newstore-stock-import check says more)"


class _Location(msgspec.Struct):
    id: str
    is_inventory_master: bool = False


class _Locations(msgspec.Struct):
    locations: list[_Location]


class Unknown(t.NamedTuple):
    """What the target's settings say of nodes NewStore does not know.

    Attributes:
        mapped: Those that `store_mapping` names: an import creates them as named there.
        fails: An import of others fails (`unknown_locations`); otherwise their items are left out.
        creates_stores: Others become stores of their own name (`create_locations`).
    """

    mapped: set[str]
    fails: bool
    creates_stores: bool

    @classmethod
    def of(cls, store_mapping: str | None, unknown_locations: str | None, create_locations: str | None) -> t.Self:
        """Read the settings."""
        creates_stores = (create_locations or "").strip().lower() == "stores"
        return cls(read_mapped(store_mapping), unknown_locations == "fail", creates_stores)


def look_at_locations(findings: Findings, nodes: set[str], newstore: Given, settings: Unknown) -> None:
    """Note which nodes NewStore does not know, or masters itself.

    Args:
        findings: Where it is noted.
        nodes: Of the on-hand list.
        newstore: The target's addresses and credentials; where one is missing, nothing is asked.
        settings: What becomes of nodes that NewStore does not know.
    """
    if not nodes:
        return
    if names := missing(newstore):
        _say_not_compared(findings, nodes, names, is_in_part=any(newstore.values()))
        return
    with findings.looking("locations", TO_DO):
        known = _read(*sign_in(newstore))
        mastered = {location.id for location in known if location.is_inventory_master}
        named = settings.mapped | {location.id for location in known}
        if unknown := nodes - named:
            _say_unknown(findings, unknown, nodes | named, settings)
        if mastered & nodes:
            findings.red(
                "locations",
                f"NewStore itself is inventory master of {_named(mastered & nodes)}, and imports refuse their items",
                "Name them in ignored_nodes",
            )
        if not (unknown or mastered & nodes):
            findings.green("locations", f"NewStore knows all {len(nodes)} fulfillment nodes of the on-hand list")


def _say_not_compared(findings: Findings, nodes: set[str], names: list[str], *, is_in_part: bool) -> None:
    """Note that NewStore is not asked: somebody who has given some of the settings wanted it to be."""
    said = f"not compared with NewStore's: {_named(nodes)}"
    variables = ", ".join(f"{NEWSTORE}{name.upper()}" for name in names)
    options = ", ".join(f"--{name.replace('_', '-')}" for name in names)
    to_do = f"Set {variables}, or give {options}, to have them compared"
    if is_in_part:
        findings.yellow("locations", said, to_do)
    else:
        findings.green("locations", f"{said}. {to_do}")


def _say_unknown(findings: Findings, unknown: set[str], all_nodes: set[str], settings: Unknown) -> None:
    """Note nodes nobody knows, as the target would take them.

    Like the target, this takes a node that differs from another one only in case for a mistake, and never for a store.
    """
    said = "NewStore does not know the fulfillment nodes {} of the on-hand list"
    if settings.creates_stores:
        alike = collections.Counter(map(_folded, all_nodes))
        if created := {node for node in unknown if alike[_folded(node)] == 1}:
            to_do = "an import creates each as a store of its own name, for ever (create_locations)"
            findings.yellow(
                "locations", said.format(_named(created)), f"Correct the list unless you want that: {to_do}"
            )
            unknown = unknown - created
        said += ", whose names are another node's but for case, blanks or forms of letters"
    if not unknown:
        return
    to_do = "Correct the list, or name them in the target's store_mapping: "
    if settings.fails:
        findings.red("locations", said.format(_named(unknown)), f"{to_do}the import fails (unknown_locations)")
    else:
        to_do += "their items are left out of imports (unknown_locations)"
        findings.yellow("locations", said.format(_named(unknown)), to_do)


def _folded(node: str) -> str:
    return unicodedata.normalize("NFKC", node).casefold().strip()


def read_mapped(store_mapping: str | None) -> set[str]:
    """Return the nodes of the target's setting `store_mapping`: a JSON object, or `NODE=STORE,…`.

    Meltano takes a dot in a node's name for a level of its own.
    """
    try:
        given = json.loads(store_mapping or "{}")
    except ValueError:
        return {pair.partition("=")[0].strip() for pair in (store_mapping or "").split(",")}
    return set(_flat(given)) if isinstance(given, dict) else set()


def _flat(mapping: dict[str, t.Any], above: str = "") -> Iterator[str]:
    for name, value in mapping.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name


def _read(session: requests.Session, api_url: str) -> list[_Location]:
    url = f"{api_url.rstrip('/')}/v0/locations"
    try:
        answer = session.get(url, timeout=CALL_SECONDS)
    except requests.RequestException as error:
        raise ServerError(f"GET {url}: no answer: {type(error).__name__}", "Correct --api-url") from error
    if not answer.ok:
        raise ServerError(f"GET {url} answered {answer.status_code}")
    try:
        return msgspec.json.decode(answer.content, type=_Locations, strict=False).locations
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ServerError(f"GET {url}: not a list of locations") from error


def _named(nodes: set[str], most: int = 20) -> str:
    return ", ".join(sorted(nodes)[:most]) + (f" and {len(nodes) - most} more" if len(nodes) > most else "")
