"""NewStore's import API, and which of its jobs are ours (newstore-api.md, section 2)."""

from __future__ import annotations

import re
import typing as t

import msgspec

from target_newstore_stock.errors import ApiError, ImportJobError
from target_newstore_stock.http_session import in_one_line
from target_newstore_stock.staging_link import without_signatures

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from target_newstore_stock.client import NewStoreClient

PATH = "/v0/d/import"
#: The name of each of our jobs begins with it.
NAME_PREFIX = "target-newstore-stock "
#: What an import's id is made of. It goes into paths, and comes from answers and from notes in the staging place.
IMPORT_ID = re.compile(r"[A-Za-z0-9-]{1,100}")
#: Jobs only move forward, so listing the states in this order misses none.
OPEN_STATES = ("received", "waiting", "running")
ENDED_STATES = ("finished", "failed")


LONGEST_REASON = 2_000


def _shown(text: str) -> str:
    return in_one_line(without_signatures(text), LONGEST_REASON)


class Job(msgspec.Struct):
    """A job: the fields this package uses; its texts are a stranger's, and go into logs and errors."""

    import_id: str
    state: str
    provider: str | None = None
    name: str | None = None
    reason: str | None = None
    source_uri: str | None = None
    transformed_uri: str | None = None

    def __post_init__(self) -> None:
        # Quoted, it is no state that is known: a blank or a line end makes none of it.
        self.state = self.state if self.state.isprintable() else _shown(repr(self.state))
        self.name = self.name and _shown(self.name)
        self.reason = self.reason and _shown(self.reason)


class JobError(msgspec.Struct):
    """An entry of a job's `/errors`."""

    reason: t.Any = None
    entity_type: t.Any = None
    entity_id: t.Any = None

    def __post_init__(self) -> None:
        self.reason = _shown(self.reason) if isinstance(self.reason, str) else self.reason


class _Jobs(msgspec.Struct):
    items: list[t.Any]


class _Created(msgspec.Struct):
    id: str


class ImportApi:
    """Calls the import API.

    Args:
        client: Calls NewStore.
        provider: Label on the jobs; together with the name it marks a job as ours.
    """

    def __init__(self, client: NewStoreClient, provider: str) -> None:
        self._client = client
        self._provider = provider

    def create(self, name: str, uri: str, revision: int) -> str:
        """Create a job and return its id. Not idempotent, so never repeated here."""
        body = {
            "provider": self._provider,
            "name": name,
            "source_uri": uri,
            "revision": revision,
            "entities": ["availabilities"],
            "full": False,
        }
        return _read(self._client.post_once(PATH, body), _Created).id

    def start(self, import_id: str, uri: str) -> None:
        """Start a job. Never repeated here."""
        self._client.post_once(f"{_job_path(import_id)}/start", {"transformed_uri": uri})

    def set_fail(self, import_id: str, reason: str) -> None:
        """Fail a job, which frees its slot."""
        self._client.post(f"{_job_path(import_id)}/set_fail", {"reason": reason})

    def job(self, import_id: str) -> Job:
        """Look at a job."""
        return _job(self._client.get(_job_path(import_id)))

    def find(self, import_id: str) -> Job | None:
        """Look at a job that a note names; None: it is gone, or of another provider, whose files may look alike."""
        try:
            job = self.job(import_id)
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return job if job.provider in (None, self._provider) else None

    def jobs(self, state: str) -> list[Job]:
        """List the jobs in a state, other clients' too; one of theirs that cannot be read is left out."""
        jobs = []
        for row in _read(self._client.get(PATH, **{"filter[state]": state}), _Jobs).items:
            try:
                jobs.append(_job(row))
            except ApiError:
                if isinstance(row, dict) and self._is_ours(row.get("provider"), row.get("name")):
                    raise
        return jobs

    def own_open_jobs(self) -> Iterator[Job]:
        """Yield our jobs that have not ended."""
        for state in OPEN_STATES:
            for job in self.jobs(state):
                if self._is_ours(job.provider, job.name):
                    yield job

    def _is_ours(self, provider: object, name: object) -> bool:
        return provider == self._provider and isinstance(name, str) and name.startswith(NAME_PREFIX)

    def received(self, name: str) -> list[str]:
        """Return the ids of our jobs of this name that were created but not started."""
        return [job.import_id for job in self.jobs("received") if (job.provider, job.name) == (self._provider, name)]

    def errors(self, import_id: str) -> list[JobError]:
        """List what NewStore finds wrong with a job's items.

        Raises:
            ApiError: the answer is no list of it.
        """
        answer = self._client.get(f"{_job_path(import_id)}/errors")
        if isinstance(answer, dict):
            answer = _listed_in(answer)
        listed = [] if answer is None else _read(answer, list[t.Any])
        rows = [row if isinstance(row, dict) else {"reason": row} for row in listed]
        return msgspec.convert(rows, list[JobError])


def _listed_in(answer: dict[str, t.Any]) -> t.Any:
    """Return what an object lists as errors, under whatever name; None: it lists nothing."""
    if any(answer.get(name) for name in ("reason", "entity_id")):
        return [answer]
    named = [answer.get(name) for name in ("items", "errors")]
    lists = [value for value in answer.values() if isinstance(value, list)]
    return next((listed for listed in (*named, *lists) if listed not in (None, [])), None)


def _job(row: t.Any) -> Job:
    """Read a job; a field that should be text and is none counts as absent, but a reason is shown in any form."""
    if isinstance(row, dict):
        texts = {name: value for name, value in row.items() if isinstance(value, str)}
        reason = row.get("reason")
        row = texts if reason is None else {**texts, "reason": str(reason)}
    return _read(row, Job)


def _job_path(import_id: str) -> str:
    """Return the path of a job.

    Raises:
        ImportJobError: the id is none, and would lead elsewhere.
    """
    if not IMPORT_ID.fullmatch(import_id):
        raise ImportJobError(
            f"{PATH}: {import_id[:50]!a} is no import's id, which has only letters, digits and hyphens. It was not "
            f"called; look at what answers as NewStore"
        )
    return f"{PATH}/{import_id}"


Answer = t.TypeVar("Answer")


def _read(answer: t.Any, shape: type[Answer]) -> Answer:
    try:
        return msgspec.convert(answer, shape)
    except msgspec.ValidationError as error:
        raise ApiError(
            f"{PATH}: not an answer of the import API: {error}",
            to_do="Look at what answers as NewStore: correct api_url",
        ) from error
