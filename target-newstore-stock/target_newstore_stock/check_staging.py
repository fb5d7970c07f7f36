"""Whether the staging place serves: a small file is staged as a run would, fetched by its link, and removed."""

from __future__ import annotations

import shutil
import typing as t
import urllib.parse
import uuid

import requests

from target_newstore_stock.client import CALL_SECONDS
from target_newstore_stock.errors import StagingError
from target_newstore_stock.http_session import HttpSession, RedirectError
from target_newstore_stock.masking import masked
from target_newstore_stock.records import CutHead
from target_newstore_stock.staged_names import ZIP, OwnNames, StagedName, utc_now
from target_newstore_stock.staging import Staging
from target_newstore_stock.stock_file import BYTES_PER_MB

if t.TYPE_CHECKING:
    from target_newstore_stock.findings import Findings
    from target_newstore_stock.settings import Settings

WRITE = "Let staging_url be a place this user may write to, with room for files of max_file_mb"
FETCH = "Correct staging_link, or let what serves it serve staging_url: NewStore fetches the files by it"
FETCHED = ("http", "https")


def look_at_staging(findings: Findings, settings: Settings) -> None:
    """Note whether a file can be staged, fetched and removed."""
    own = OwnNames(settings.provider, settings.tenant)
    # By the name of a dry run: no other run takes it for a file of its own, and a later one removes it.
    unique = uuid.uuid4().hex[:12]
    name = StagedName(utc_now(), CutHead(), unique).file(own.owner, is_dry_run=True) + ZIP
    staging, content = None, f"newstore-stock-import check {unique}".encode()
    try:
        with findings.looking("staging", WRITE):
            staging = Staging(settings.staging_url, settings.staging_link)
            link = _staged(staging, name, content)
            _look_at_room(findings, settings)
            with findings.looking("staging link", FETCH):
                findings.green("staging link", _fetched(staging, link, name, content))
    finally:
        if staging:
            _remove(findings, staging, name)


def _staged(staging: Staging, name: str, content: bytes) -> str:
    def write(file: t.IO[bytes]) -> None:
        file.write(content)

    return staging.write(name, write)


def _look_at_room(findings: Findings, settings: Settings) -> None:
    place = masked(settings.staging_url)
    free = _free_mb(settings.staging_url)
    if free is not None and free < settings.max_file_mb:
        findings.yellow(
            "staging",
            f"{place} takes files, but has only {free:.0f} MB left; a file may have "
            f"{settings.max_file_mb:g} (max_file_mb)",
            "Make room",
        )
    else:
        findings.green("staging", f"a file was written to {place}")


def _free_mb(url: str) -> float | None:
    """Return how much room a directory has; None: it is no directory of this machine."""
    try:
        return shutil.disk_usage(url.removeprefix("file://")).free / BYTES_PER_MB
    except OSError:
        return None


def _fetched(staging: Staging, link: str, name: str, content: bytes) -> str:
    """Fetch a staged file by its link, and return what to say of it.

    Raises:
        StagingError: what comes is not the file.
    """
    place = masked(link)
    if urllib.parse.urlsplit(link).scheme not in FETCHED:
        if staging.read(name) != content:
            raise StagingError(f"staging_link: what was written cannot be read back from {place}")
        return f"read back from {place}; whether NewStore may read it there cannot be seen from here"
    try:
        with HttpSession() as session:
            answer = session.get(link, timeout=CALL_SECONDS)
    except RedirectError as error:
        raise StagingError(f"staging_link: {place} answered {error.status}, a redirect") from error
    except requests.RequestException as error:
        raise StagingError(f"staging_link: no answer from {place}: {type(error).__name__}") from error
    if not answer.ok:
        raise StagingError(f"staging_link: a file was staged, and {place} answers {answer.status_code}")
    if answer.content != content:
        raise StagingError(f"staging_link: a file was staged, and {place} answers with something else")
    return f"fetched from {place.removesuffix(name)}"


def _remove(findings: Findings, staging: Staging, name: str) -> None:
    with findings.looking("staging", WRITE):
        staging.remove([name])
        if name in staging.names():
            findings.yellow("staging", f"{name} could not be removed", "Let this user remove files, or do it yourself")
