"""`newstore-stock-ledger report`: gathers what the page shows, and writes the page."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import sys
import tempfile
import typing as t
from pathlib import Path

import requests

from mapper_newstore_stock.availabilities import signed_in
from mapper_newstore_stock.errors import ConfigurationError, FileError, ServerError
from mapper_newstore_stock.http_session import HttpSession, RedirectError, said
from mapper_newstore_stock.masking import masked
from mapper_newstore_stock.report.differences import read_differences
from mapper_newstore_stock.report.events import Events
from mapper_newstore_stock.report.figures import read_ledger
from mapper_newstore_stock.report.import_reports import read_imports
from mapper_newstore_stock.report.page import Report, page

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import sqlalchemy as sa

    from mapper_newstore_stock.comparison.options import Understanding
    from mapper_newstore_stock.report.differences import Differences
    from mapper_newstore_stock.report.events import Key

CALL_SECONDS = 30
QUARANTINED = re.compile(rb"^newstore_bodies_quarantined_total (\d{1,15}(?:\.\d+)?(?:e\+?\d\d)?)$", re.MULTILINE)


def gather(
    connection: sa.Connection,
    keys: Sequence[str],
    *,
    events: str | None,
    receiver_url: str | None,
    report_path: str | None = None,
    newstore: Mapping[str, str | None],
    how: Understanding,
) -> Report:
    """Gather what the page shows.

    Args:
        connection: To the ledger.
        keys: "NODE/PRODUCT" each (none: those that need attention).
        events: File with the tap's messages, `-` for stdin (None: no events).
        report_path: The target's import report (None: not given).
        receiver_url: Base URL of a receiver (None: it is not asked).
        newstore: api_url, auth_url, client_id and client_secret; without api_url, NewStore is not asked.
        how: How its numbers are to be understood.

    Raises:
        LedgerError, ConfigurationError: a part cannot be had; says which.
    """
    ledger = read_ledger(connection, [_key(text) for text in keys], read_imports(report_path) if report_path else [])
    chosen = [history.key for history in ledger.histories]
    return Report(
        written_at=f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d %H:%M} UTC",
        ledger=ledger,
        events=None if events is None else _read_events(events, chosen),
        differences=_differences(connection, newstore, how),
        quarantined=None if receiver_url is None else quarantined(receiver_url),
    )


def write(report: Report, path: Path) -> None:
    """Write the page, whole or not at all; one in the place of another may be read by whom that could be.

    Raises:
        LedgerError: the file cannot be written.
    """
    text = page(report)
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}-", delete=False
        ) as beside:
            _put_in_place(beside, text, path)
    except OSError as error:
        raise FileError(
            f"--html: cannot write {path}: {error.strerror or error}",
            "Correct the path, or the rights of its directory",
        ) from error


def _put_in_place(beside: t.IO[str], text: str, path: Path) -> None:
    new = Path(beside.name)
    try:
        beside.write(text)
        beside.flush()
        if path.exists():
            new.chmod(path.stat().st_mode & 0o777)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _key(text: str) -> Key:
    node, slash, product = text.partition("/")
    if not (node and slash and product):
        raise ConfigurationError(f"--key {text}: expected NODE/PRODUCT")
    return node, product


def _read_events(path: str, keys: list[Key]) -> Events:
    try:
        with _opened(path) as lines:
            return Events(lines, keys)
    except OSError as error:
        raise FileError(
            f"--events: cannot read {path}: {error.strerror or error}", "Correct the path, or let this user read it"
        ) from error


@contextlib.contextmanager
def _opened(path: str) -> Iterator[t.BinaryIO]:
    if path == "-":
        yield sys.stdin.buffer
    else:
        with Path(path).open("rb") as file:
            yield file


def _differences(
    connection: sa.Connection, newstore: Mapping[str, str | None], how: Understanding
) -> Differences | None:
    if not newstore["api_url"]:
        return None
    needed = ("auth_url", "client_id", "client_secret")
    missing = [f"--{name.replace('_', '-')}" for name in needed if not newstore[name]]
    if missing:
        raise ConfigurationError(f"--api-url needs {', '.join(missing)} too")
    auth_url, client_id, client_secret = (t.cast("str", newstore[name]) for name in needed)
    session = signed_in(auth_url, client_id, client_secret)
    return read_differences(connection, session, newstore["api_url"], how)


def quarantined(receiver_url: str) -> int:
    """Return how many bodies a receiver says it has quarantined.

    Raises:
        LedgerError: it does not say so.
    """
    url = f"{receiver_url.rstrip('/')}/metrics"
    try:
        answer = HttpSession().get(url, timeout=CALL_SECONDS)
    except RedirectError as error:
        raise ServerError(f"--receiver-url: {masked(url)} {error}") from error
    except requests.RequestException as error:
        raise ServerError(
            f"--receiver-url: no answer from {masked(url)}: {type(error).__name__}",
            "Correct --receiver-url, or start the receiver",
        ) from error
    if not answer.ok:
        raise ServerError(
            f"--receiver-url: {masked(url)} answered {answer.status_code}: {said(answer)}",
            "Correct --receiver-url, or start the receiver",
        )
    found = QUARANTINED.search(answer.content)
    if not found:
        raise ServerError(
            f"--receiver-url: {masked(url)} is not that of an event receiver: it counts no quarantined bodies",
            "Correct --receiver-url, or start the receiver",
        )
    return int(float(found[1]))
