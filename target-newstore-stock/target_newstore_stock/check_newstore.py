"""What a check reads from NewStore: whether it gives a token, what the client may read, locations, jobs, the clock."""

from __future__ import annotations

import contextlib
import email.utils
import time
import typing as t

import requests

from target_newstore_stock.auth import NewStoreAuthenticator
from target_newstore_stock.client import CALL_SECONDS, NewStoreClient
from target_newstore_stock.errors import ApiError, LocationError
from target_newstore_stock.http_session import HttpSession
from target_newstore_stock.import_api import OPEN_STATES, ImportApi
from target_newstore_stock.locations import LocationCheck, read_locations
from target_newstore_stock.masking import masked
from target_newstore_stock.other_runs import CLOCKS_DIFFER

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_newstore_stock.findings import Findings
    from target_newstore_stock.locations import Location
    from target_newstore_stock.settings import Settings

#: Somebody is waiting: calls are repeated, but soon.
LONGEST_PAUSE_SECONDS = 0.5
#: NewStore's limit (newstore-api.md, section 2).
MOST_OPEN_JOBS = 20


def look_at_newstore(findings: Findings, settings: Settings) -> None:
    """Note what NewStore says; nothing there is changed."""
    authenticator = NewStoreAuthenticator(
        client_id=settings.client_id, client_secret=settings.client_secret, auth_endpoint=settings.token_url
    )
    has_token = False
    with findings.looking("credentials", "Correct tenant, client_id, client_secret or auth_url"):
        authenticator.update_access_token()
        has_token = True
        findings.green("credentials", f"{masked(settings.token_url)} gives the client {settings.client_id!r} a token")
    if has_token:
        client = NewStoreClient(
            settings.api_base_url, authenticator, sleep=lambda seconds: time.sleep(min(seconds, LONGEST_PAUSE_SECONDS))
        )
        _look_at_locations(findings, settings, client)
        _look_at_jobs(findings, settings, client)
    with findings.looking("clock", "Correct api_url"):
        _look_at_clock(findings, settings)


@contextlib.contextmanager
def _asking(findings: Findings, what: str, may: str) -> Iterator[None]:
    """Look at what NewStore answers; where nothing answers, no right of the client is to blame.

    Args:
        findings: Where an error is noted.
        what: What is looked at.
        may: What the client must be allowed to do.
    """
    with findings.looking(what, f"Correct api_url, or let the API client {may}"):
        try:
            yield
        except ApiError as error:
            if error.status is not None:
                raise
            findings.red(
                what, str(error), "Correct api_url, or let this machine reach it (proxy, firewall)", error.code
            )


def _look_at_locations(findings: Findings, settings: Settings, client: NewStoreClient) -> None:
    with _asking(findings, "locations", "read locations"):
        known = read_locations(client)
        mastered = sorted(name for name, location in known.items() if location.is_inventory_master)
        but = f"; leave out those NewStore masters itself: {', '.join(mastered)}" if mastered else ""
        findings.green("locations", f"NewStore has {len(known)}{but}")
        _look_at_mapping(findings, settings, known, client)


def _look_at_mapping(
    findings: Findings, settings: Settings, known: Mapping[str, Location], client: NewStoreClient
) -> None:
    mapping = settings.store_mapping or {}
    locations = LocationCheck(client, lambda _keys: {}, mapping, creates_stores=False, leaves_out=True)
    wrong = []
    for node in mapping:
        try:
            locations.store_ids([node])
        except LocationError as error:
            wrong.append(str(error).removesuffix(". Nothing was uploaded"))
    for said in wrong:
        findings.red("store_mapping", said, "Correct store_mapping, or leave the node out (the mapper's ignored_nodes)")
    if new := sorted(mapping.keys() - known.keys()):
        findings.yellow(
            "store_mapping",
            f"NewStore does not know {', '.join(new)}: the first import of them creates them, and their kind can never "
            f"be changed",
            "Correct store_mapping unless that is what you want",
        )
    elif mapping and not wrong:
        findings.green("store_mapping", f"NewStore knows all {len(mapping)} nodes, as what they are mapped to")


def _look_at_jobs(findings: Findings, settings: Settings, client: NewStoreClient) -> None:
    with _asking(findings, "imports", "use the import API"):
        api = ImportApi(client, settings.provider)
        own = [job.import_id for job in api.own_open_jobs()]
        count = sum(len(api.jobs(state)) for state in OPEN_STATES)
        if own:
            findings.yellow(
                "imports",
                f"{len(own)} open jobs are ours: {', '.join(own)}",
                "None: the next run waits for them, or fails what a killed run left behind",
            )
        elif count >= MOST_OPEN_JOBS:
            findings.yellow(
                "imports", f"{count} jobs are open, NewStore takes no more", "Close those of other importers"
            )
        else:
            findings.green("imports", f"{count} jobs are open, none of them ours")


def _look_at_clock(findings: Findings, settings: Settings) -> None:
    apart = _seconds_apart(settings.api_base_url)
    if apart is None:
        findings.yellow(
            "clock", f"{masked(settings.api_base_url)} does not tell the time", "Look at this machine's clock"
        )
    elif apart > CLOCKS_DIFFER.total_seconds():
        findings.yellow(
            "clock",
            f"this machine's clock and NewStore's are {apart:.0f} s apart: object stores refuse links that are signed "
            f"by a wrong clock, and runs on two machines are told apart by their clocks",
            "Set this machine's clock (NTP)",
        )
    else:
        findings.green("clock", f"this machine's and NewStore's are {apart:.0f} s apart")


def _seconds_apart(url: str) -> float | None:
    """Return how far NewStore's clock is from this machine's, by the `Date` of any answer; None: it does not say."""
    try:
        with HttpSession() as session:
            answer = session.head(url, timeout=CALL_SECONDS)
        return abs(email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time())
    except (requests.RequestException, KeyError, ValueError, TypeError):
        return None
