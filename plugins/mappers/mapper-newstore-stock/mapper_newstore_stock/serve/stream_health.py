"""Asks the receiver how the stream of events is: what its `/metrics` says."""

from __future__ import annotations

import re
import typing as t

import requests

from mapper_newstore_stock.errors import ServerError
from mapper_newstore_stock.http_session import HttpSession, RedirectError
from mapper_newstore_stock.masking import masked

if t.TYPE_CHECKING:
    import datetime as dt

CALL_SECONDS = 2
LINE = re.compile(
    r'^(newstore_\w+)(?:\{(?:kind|status)="([^"]*)"\})? (-?\d{1,15}(?:\.\d+)?(?:e[+-]?\d\d)?)$', re.MULTILINE
)
NEWEST, LAG = "newstore_newest_event_timestamp_seconds", "newstore_newest_event_lag_seconds"
SET_ASIDE, QUARANTINED = "newstore_set_aside", "newstore_bodies_quarantined_total"
OLDEST_SET_ASIDE = "newstore_oldest_set_aside_timestamp_seconds"
AUDITED = "newstore_last_audit_timestamp_seconds"


def stream_health(receiver_url: str, now: dt.datetime) -> dict[str, str]:
    """Return figures of the stream for people.

    Raises:
        ServerError: the receiver does not say.
    """
    url = f"{receiver_url.rstrip('/')}/metrics"
    try:
        answer = HttpSession().get(url, timeout=CALL_SECONDS)
    except (requests.RequestException, RedirectError) as error:
        raise ServerError(
            f"--receiver-url: no answer from {masked(url)}: {type(error).__name__}",
            "Correct --receiver-url, or start the receiver",
        ) from error
    if not answer.ok:
        raise ServerError(
            f"--receiver-url: {masked(url)} answered {answer.status_code}",
            "Correct --receiver-url, or start the receiver",
        )
    said = {(name, label): float(value) for name, label, value in LINE.findall(answer.text)}
    shown = {
        "Newest event": _age(said.get((NEWEST, "")), now),
        "Its lag": f"{said[LAG, '']:.1f} s" if (LAG, "") in said else "unknown",
        "Last whole audit": _age(said.get((AUDITED, "")), now),
        "Bodies quarantined since it started": f"{said.get((QUARANTINED, ''), 0):.0f}",
    }
    aside = {label: value for (name, label), value in said.items() if name == SET_ASIDE}
    shown |= {f"Set aside: {kind}": f"{count:.0f}" for kind, count in aside.items()}
    return shown | ({"The oldest set aside": _age(oldest, now)} if (oldest := said.get((OLDEST_SET_ASIDE, ""))) else {})


def _age(epoch: float | None, now: dt.datetime) -> str:
    if not epoch:
        return "none yet"
    return f"{max(0.0, now.timestamp() - epoch) / 60:.0f} min ago"
