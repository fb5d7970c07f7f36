"""Writes what NetSuite's SuiteQL answers into CSV files for the mapper: a file to copy, or to change for another API.

    SUITEQL_TOKEN=… python suiteql_to_csv.py URL booked.sql booked.csv on_hand.sql on_hand.csv

URL is https://ACCOUNT.suitetalk.api.netsuite.com/services/rest/query/v1/suiteql. Queries run in the order given, the
bookings first: a booking read after the number may not be in it, and its unit would be sold twice. The files appear in
the opposite order, so that whoever reads the bookings and then the numbers never meets an older number. None appears
before all queries have answered.

Exit code 1: it failed; one line says why.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

PAGE_ROWS = 1000
CALL_SECONDS = 120
#: What a row counts; all other columns are its key.
COUNTS = ("quantity", "units")


class ExportError(Exception):
    """Nothing can be written."""


def answer(url: str, token: str, query: str, offset: int) -> dict[str, object]:
    """Return one page of a query's rows."""
    request = urllib.request.Request(
        f"{url}?limit={PAGE_ROWS}&offset={offset}",
        data=json.dumps({"q": query}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Prefer": "transient"},
    )
    try:
        with urllib.request.urlopen(request, timeout=CALL_SECONDS) as response:
            page: dict[str, object] = json.load(response)
            return page
    except urllib.error.HTTPError as error:
        raise ExportError(f"{url} answers {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        raise ExportError(f"{url} does not answer as SuiteQL does: {error}") from error


def rows_of(url: str, token: str, query: str, columns: list[str]) -> list[list[object]]:
    """Return all rows of a query.

    Raises:
        ExportError: a key comes twice (rows moved between two pages), or a list of numbers is empty.
    """
    rows: dict[tuple[object, ...], list[object]] = {}
    offset, more = 0, True
    while more:
        page = answer(url, token, query, offset)
        items = page.get("items")
        if not isinstance(items, list):
            raise ExportError(f"{url} sent no items")
        for item in items:
            row = [item.get(name) for name in columns]
            key = tuple(value for name, value in zip(columns, row, strict=True) if name not in COUNTS)
            if key in rows:
                raise ExportError(f"{key} comes twice: sort the query by its key, and try again. Nothing was replaced")
            rows[key] = row
        offset, more = offset + len(items), bool(page.get("hasMore")) and bool(items)
    if "quantity" in columns and not rows:
        raise ExportError("the list of numbers is empty: may the token's role see items and locations?")
    return list(rows.values())


def write(path: Path, columns: list[str], rows: list[list[object]]) -> Path:
    """Write a file beside the one it will replace, and return its path."""
    new = path.with_name(path.name + ".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return new


def main(url: str, *names: str) -> None:
    """Run the queries one after the other, and replace the files when all have answered."""
    token = os.environ.get("SUITEQL_TOKEN", "")
    written: list[tuple[Path, Path]] = []
    for name, target in zip(names[::2], names[1::2], strict=True):
        query = Path(name).read_text(encoding="utf-8")
        columns = re.findall(r"\bAS (\w+)\s*(?:,|\bFROM\b)", query)
        path = Path(target)
        written.append((write(path, columns, rows_of(url, token, query, columns)), path))
    for new, path in reversed(written):
        new.replace(path)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (ExportError, OSError) as error:
        sys.exit(f"suiteql_to_csv: {error}")
