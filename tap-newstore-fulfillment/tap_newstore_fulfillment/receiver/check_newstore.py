"""NewStore's integration as a check sees it."""

from __future__ import annotations

import typing as t

from tap_newstore_fulfillment.errors import NewStoreCallError
from tap_newstore_fulfillment.receiver.event_stream import RUNNING, EventStream
from tap_newstore_fulfillment.receiver.newstore_api import REQUIRED_SETTINGS, NewStoreApi
from tap_newstore_fulfillment.receiver.registration_options import described

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_newstore_fulfillment.findings import Findings

#: Somebody looks on: a check waits out what passes soon.
PATIENCE_SECONDS = 5.0
TO_DO = "Correct tenant, client_id, client_secret, api_url or auth_url; let the API client read integrations"


def look_at_newstore(findings: Findings, settings: Mapping[str, t.Any], integration_id: str) -> None:
    """Note whether NewStore delivers; nothing there is changed."""
    if missing := [name for name in REQUIRED_SETTINGS if not settings.get(name)]:
        findings.green("integration", f"NewStore is not asked, as {', '.join(missing)} are not set")
        return
    with findings.looking("integration", TO_DO):
        stream = EventStream(NewStoreApi(settings, patience=PATIENCE_SECONDS))
        try:
            found = stream.get(integration_id)
        except NewStoreCallError as error:
            if error.status != 404:
                raise
            said = f"NewStore has none of the id {integration_id}, so it delivers nothing to it"
            findings.red("integration", said, "newstore-event-receiver register, or name another one with --id")
            return
        status = found.get("status")
        if status != RUNNING:
            said = f"NewStore says {integration_id} is {status}, and delivers nothing"
            findings.red("integration", said, "newstore-event-receiver logs says why, and start starts it")
            return
        findings.green("integration", f"NewStore runs {integration_id}: {described(found)}")
        if rejected := len(stream.rejected(integration_id)):
            said = f"{rejected} events were rejected, and NewStore keeps only the last 30"
            findings.yellow("integration", said, "newstore-event-receiver rejected list")
