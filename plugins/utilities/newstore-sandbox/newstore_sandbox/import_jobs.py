"""Import jobs (newstore-api.md, section 2)."""

from __future__ import annotations

import dataclasses
import random
import typing as t
import uuid

from newstore_sandbox.errors import CallError
from newstore_sandbox.events import now

OPEN_JOBS = 20
#: `received` and `waiting` count against the limit; a running job does not.
COUNTED = ("received", "waiting")
UNFINISHED = ("received", "waiting", "running")
_CREATE_FIELDS: dict[str, type | tuple[type, ...]] = {
    "provider": str,
    "name": str,
    "source_uri": str,
    "revision": int,
    "entities": list,
    "full": bool,
    "source": str,
}
#: Real integrations leave them out.
_OPTIONAL = {"name", "revision", "full", "source"}
#: Fields that the job object does not show.
_PRIVATE = {"errors", "file"}

Row = str | dict[str, str]
JobOrder = t.Literal["fifo", "lifo", "random"]


@dataclasses.dataclass
class Job:
    """One import job; `revision` is epoch milliseconds, None if the client gave none."""

    import_id: str
    provider: str
    name: str | None
    source_uri: str
    revision: int | None
    entities: list[str]
    full: bool
    received_at: str
    transformed_uri: str | None = None
    completed_at: str | None = None
    state: str = "received"
    reason: str | None = None
    errors: list[dict[str, str]] = dataclasses.field(default_factory=list)
    file: dict[str, t.Any] | None = None

    def public(self, state: str | None = None) -> dict[str, t.Any]:
        """Return the job object as NewStore's API shows it."""
        return {name: value for name, value in vars(self).items() if name not in _PRIVATE} | {
            "state": state or self.state
        }

    def end(self, state: str, reason: str | None = None, rows: t.Iterable[Row] = ()) -> None:
        """Finish or fail the job; each row is an entry of its errors, or the reason in one."""
        self.state, self.reason, self.completed_at = state, reason, now()
        self.errors = [
            {"reason": "", "error_id": str(uuid.uuid4()), "entity_type": "availability", "entity_id": ""}
            | (row if isinstance(row, dict) else {"reason": row})
            for row in rows
        ]


class Jobs:
    """All import jobs of the tenant, in the order they were created."""

    def __init__(self) -> None:
        self.all: dict[str, Job] = {}
        self.applied: list[Job] = []

    def create(self, body: t.Any, *, leaves_job_on_429: bool) -> Job:
        """Create a job, unless too many are open."""
        _check_create(body)
        job = Job(
            import_id=str(uuid.uuid4()),
            provider=body["provider"],
            name=body.get("name"),
            source_uri=body["source_uri"],
            revision=body.get("revision"),
            entities=body["entities"],
            full=body.get("full", False),
            received_at=now(),
        )
        if sum(other.state in COUNTED for other in self.all.values()) >= OPEN_JOBS:
            if leaves_job_on_429:
                self.all[job.import_id] = job
            raise CallError(429, "too_many_imports", f"more than {OPEN_JOBS} imports are open")
        self.all[job.import_id] = job
        return job

    def get(self, import_id: str) -> Job:
        """Return a job by its id."""
        if import_id not in self.all:
            raise CallError(404, "import_not_found", f"no import {import_id}")
        return self.all[import_id]

    def start(self, import_id: str, body: t.Any) -> Job:
        """Queue a job for the worker."""
        uri = body.get("transformed_uri") if isinstance(body, dict) else None
        if not isinstance(uri, str) or not uri:
            raise CallError(400, "invalid_request", "transformed_uri: required, a string")
        job = self.get(import_id)
        if job.state != "received":
            raise CallError(409, "invalid_state", f"the import is {job.state}, not received")
        job.transformed_uri, job.state = uri, "waiting"
        return job

    def set_fail(self, import_id: str, body: t.Any) -> Job:
        """Fail a job on a client's request, which frees its slot."""
        reason = body.get("reason") if isinstance(body, dict) else None
        if not isinstance(reason, str) or not reason:
            raise CallError(400, "invalid_request", "reason: required, a string")
        job = self.get(import_id)
        if job.state not in UNFINISHED:
            raise CallError(409, "invalid_state", f"the import is already {job.state}")
        job.end("failed", reason)
        return job

    def next_waiting(self, order: JobOrder) -> Job | None:
        """Return the job to run next; NewStore's real order is unknown."""
        waiting = [job for job in self.all.values() if job.state == "waiting"]
        if not waiting:
            return None
        return {"fifo": waiting[0], "lifo": waiting[-1], "random": random.choice(waiting)}[order]  # noqa: S311


def _check_create(body: t.Any) -> None:
    if not isinstance(body, dict):
        raise CallError(400, "invalid_request", "body: expected a JSON object")
    for field, kind in _CREATE_FIELDS.items():
        if field not in body and field in _OPTIONAL:
            continue
        if not isinstance(body.get(field), kind) or (kind is int and isinstance(body[field], bool)):
            raise CallError(400, "invalid_request", f"{field}: missing or of the wrong type")
    for field in body.keys() - _CREATE_FIELDS.keys():
        raise CallError(400, "invalid_request", f"{field}: unknown field")
    if "availabilities" not in body["entities"]:
        raise CallError(400, "invalid_request", 'entities: expected "availabilities" among them')
