"""Fetches and validates stock files (newstore-api.md, section 3)."""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import io
import json
import re
import typing as t
import urllib.parse
import zipfile

import fsspec
import jsonschema
import requests

from newstore_sandbox.errors import StockFileError

if t.TYPE_CHECKING:
    from newstore_sandbox.stock import Key

#: Real integrations put a time behind it.
MEMBER = re.compile(r"availabilities([-_.].*)?\.json")
LARGEST_FILE = 80 * 10**6
FETCH_SECONDS = 30
NAMED_ERRORS = 100


@dataclasses.dataclass(frozen=True)
class StockFile:
    """A valid stock file."""

    head: dict[str, t.Any]
    items: list[dict[str, t.Any]]

    @property
    def quantities(self) -> dict[Key, int]:
        """Quantity per key."""
        return {(item["fulfillment_node_id"], item["product_id"]): item["quantity"] for item in self.items}

    @property
    def stores(self) -> dict[str, str]:
        """Store id per fulfillment node ("" for a distribution centre)."""
        return {row["fulfillment_node_id"]: row["store_id"] for row in self.head["store_mapping"]}

    @property
    def range(self) -> tuple[int, int] | None:
        """Logical timestamps of the completions the file accounts for, both ends included; None: none."""
        given = self.head.get("completed_fulfillment_requests")
        return (given["logical_timestamp_start"], given["logical_timestamp_end"]) if given else None


def fetch(uri: str) -> bytes:
    """Return the zip, fetched as NewStore does some time after the start call."""
    parts = urllib.parse.urlsplit(uri)
    if parts.scheme == "s3":
        return _fetch_from_bucket(uri)
    is_local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")
    if parts.scheme != "https" and not is_local:
        raise StockFileError(f"transformed_uri: {parts.scheme or 'no'} scheme is not supported")
    try:
        answer = requests.get(uri, timeout=FETCH_SECONDS)
    except requests.RequestException as error:
        raise StockFileError(f"transformed_uri could not be fetched: {type(error).__name__}") from error
    if answer.status_code != 200:
        raise StockFileError(f"transformed_uri could not be fetched: status {answer.status_code}")
    return answer.content


def _fetch_from_bucket(uri: str) -> bytes:
    try:
        with fsspec.open(uri, "rb") as file:
            return t.cast("bytes", file.read())
    except Exception as error:
        raise StockFileError(f"transformed_uri could not be fetched: {error or type(error).__name__}") from error


def read(content: bytes, *, has_other_entities: bool = False) -> StockFile:
    """Read and validate a fetched zip.

    Args:
        content: The zip.
        has_other_entities: It may have members of other entities, which are left alone.

    Raises:
        StockFileError: it is invalid; has a row for each error.
    """
    document = _document(content, has_other_entities=has_other_entities)
    errors = sorted(_validator().iter_errors(document), key=lambda error: error.json_path)
    if errors:
        rows = [f"{error.json_path}: {error.message}" for error in errors[:NAMED_ERRORS]]
        raise StockFileError("the stock file does not fit the schema", rows)
    file = StockFile(document["head"], document["items"])
    _check_keys(file)
    return file


def refuse(file: StockFile, refused: list[dict[str, str]]) -> tuple[StockFile, list[dict[str, str]]]:
    """Return the file without refused items, and an error for each of them that it had."""
    rows = {(row["fulfillment_node_id"], row["product_id"]): row for row in refused}
    quantities = file.quantities if rows else {}
    named = {key: row for key, row in rows.items() if key in quantities}
    kept = [item for item in file.items if (item["fulfillment_node_id"], item["product_id"]) not in named]
    errors = [
        {"reason": row.get("reason", "unknown product"), "entity_id": row.get("entity_id", key[1])}
        for key, row in named.items()
    ]
    return dataclasses.replace(file, items=kept), errors


def _document(content: bytes, *, has_other_entities: bool) -> t.Any:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [name for name in archive.namelist() if MEMBER.fullmatch(name)]
            if len(members) != 1 or (len(archive.namelist()) > 1 and not has_other_entities):
                raise StockFileError(
                    f"the zip must have one member, availabilities.json or availabilities-….json; it has "
                    f"{archive.namelist()}"
                )
            if archive.getinfo(members[0]).file_size > LARGEST_FILE:
                raise StockFileError("the stock file is larger than 80 MB")
            text = archive.read(members[0])
    except zipfile.BadZipFile as error:
        raise StockFileError("the file is not a zip") from error
    try:
        return json.loads(text)
    except ValueError as error:
        raise StockFileError(f"{members[0]} is not JSON: {error}") from error


def _check_keys(file: StockFile) -> None:
    if len(file.stores) != len(file.head["store_mapping"]):
        raise StockFileError("head.store_mapping names a fulfillment node twice")
    if len(file.quantities) != len(file.items):
        raise StockFileError("items names a fulfillment node and product twice")
    unmapped = sorted({node for node, _ in file.quantities} - file.stores.keys())
    if unmapped:
        raise StockFileError("items name nodes that head.store_mapping does not", unmapped)
    if file.range and file.range[0] > file.range[1]:
        raise StockFileError("completed_fulfillment_requests ends before it starts")


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    text = importlib.resources.files("newstore_sandbox").joinpath("schemas/stock.json").read_text("utf-8")
    schema = json.loads(text)
    checker = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    strict = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=checker)  # type: ignore[no-untyped-call]
    return t.cast("jsonschema.Draft202012Validator", strict(schema))


def _is_integer(_checker: object, value: object) -> bool:
    """Return whether a value is an integer on this wire: `true` and `17.0` are not."""
    return isinstance(value, int) and not isinstance(value, bool)
