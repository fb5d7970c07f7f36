"""The calls of NewStore's event-stream configuration API (newstore-api.md, section 4)."""

from __future__ import annotations

import typing as t

from tap_newstore_fulfillment.receiver import answers

if t.TYPE_CHECKING:
    import contextlib
    from collections.abc import Mapping

    from tap_newstore_fulfillment.receiver.newstore_api import NewStoreApi

PATH = "/api/v1/org/integrations/eventstream"
RUNNING, STOPPED = "running", "stopped"

Body = dict[str, t.Any]


class EventStream:
    """NewStore's integrations. Ids are checked before (`integrations.checked_id`), so they go into paths as they are.

    Args:
        api: Calls NewStore; each method here raises its TapError.
    """

    def __init__(self, api: NewStoreApi) -> None:
        self._api = api

    def patient_for(self, seconds: float) -> contextlib.AbstractContextManager[None]:
        """Let the calls of a block wait out what passes within so many seconds; 0: as long as ever."""
        return self._api.patient_for(seconds)

    def integrations(self) -> list[Body]:
        """Return all integrations of the tenant."""
        return self._rows(PATH, "integrations", answers.Integrations)

    def register(self, registration: Mapping[str, t.Any]) -> Body:
        """Create an integration, which starts it, and return it as NewStore shows it."""
        answer = self.create(registration)
        return answer if _is_integration(answer) else self.get(registration["id"])

    def create(self, registration: Mapping[str, t.Any]) -> Body:
        """Create an integration, which starts it, and return what NewStore says, which may be nothing."""
        return t.cast("Body", self._api.create(PATH, registration))

    def update(self, integration_id: str, changes: Mapping[str, t.Any]) -> Body:
        """Change sink or filter, and return the integration."""
        answer: Body = self._api.patch(f"{PATH}/{integration_id}", changes)
        return answer if _is_integration(answer) else self.get(integration_id)

    def get(self, integration_id: str) -> Body:
        """Return an integration."""
        return t.cast("Body", self._api.get(f"{PATH}/{integration_id}", answers.Integration))

    def delete(self, integration_id: str) -> None:
        """Delete an integration, with its log and its rejected events."""
        self._api.delete(f"{PATH}/{integration_id}")

    def start(self, integration_id: str) -> None:
        """Start a stopped integration."""
        self._api.post(f"{PATH}/{integration_id}/_start")

    def stop(self, integration_id: str) -> None:
        """Stop an integration."""
        self._api.post(f"{PATH}/{integration_id}/_stop")

    def logs(self, integration_id: str) -> list[Body]:
        """Return what became of an integration: the last 50 entries."""
        return self._rows(f"{PATH}/{integration_id}/logs", "entries", answers.Logs)

    def rejected(self, integration_id: str) -> list[Body]:
        """Return when and under which id the last events were rejected: 30 at most."""
        return self._rows(f"{PATH}/{integration_id}/rejected_events", "rejected_events", answers.RejectedEvents)

    def rejected_event(self, integration_id: str, event_id: str) -> Body:
        """Return a rejected event's envelope."""
        return t.cast("Body", self._api.get(f"{PATH}/{integration_id}/rejected_events/{event_id}", Body))

    def retry(self, integration_id: str, event_id: str) -> None:
        """Have NewStore deliver a rejected event again.

        Raises:
            NewStoreCallError: its status is 502 when the receiver refused it again.
        """
        self._api.create(f"{PATH}/{integration_id}/rejected_events/{event_id}/_retry", None)

    def forget(self, integration_id: str, event_id: str) -> None:
        """Delete a rejected event."""
        self._api.delete(f"{PATH}/{integration_id}/rejected_events/{event_id}")

    def _rows(self, path: str, name: str, shape: t.Any) -> list[Body]:
        return self._api.get(path, shape)[name] or []


def _is_integration(answer: Body) -> bool:
    """Return whether a change was answered with the integration; if not, it has to be asked for."""
    try:
        answers.check(answer, answers.Integration)
    except ValueError:
        return False
    return "status" in answer
