"""What NewStore says, as people may see it: without keys and secrets, and what a URL may hold of them."""

from __future__ import annotations

import re
import typing as t

from tap_newstore_fulfillment.masking import in_text
from tap_newstore_fulfillment.settings import SETTINGS

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: What a field is called that holds a secret.
SECRET = re.compile(r"secret|password|token|api_key|access_key", re.IGNORECASE)
HIDDEN = "***"
#: A shorter secret would be found inside words: it is hidden where it stands alone.
SHORTEST_ANYWHERE = 8


def secrets_of(settings: Mapping[str, t.Any]) -> list[str]:
    """Return the secrets among settings."""
    names = [name for name, schema in SETTINGS["properties"].items() if schema.get("secret")]
    return [str(settings[name]) for name in names if settings.get(name)]


def secrets_in(body: object) -> list[str]:
    """Return the secrets of what is sent, which an answer may repeat."""
    if not isinstance(body, dict):
        return []
    own = [item for name, item in body.items() if isinstance(item, str) and item and SECRET.search(name)]
    return [*own, *(secret for item in body.values() for secret in secrets_in(item))]


def without(text: str, secrets: Iterable[str]) -> str:
    """Return a text with `***` in place of secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        found = re.escape(secret)
        text = re.sub(found if len(secret) >= SHORTEST_ANYWHERE else rf"(?<!\w){found}(?!\w)", HIDDEN, text)
    return text


def shown(value: t.Any, secrets: Iterable[str]) -> t.Any:
    """Return a JSON value of NewStore's without secrets: those named, fields that hold one, and those of URLs."""
    if isinstance(value, dict):
        return {name: HIDDEN if item and SECRET.search(name) else shown(item, secrets) for name, item in value.items()}
    if isinstance(value, list):
        return [shown(item, secrets) for item in value]
    if isinstance(value, str):
        text = without(value, secrets)
        return in_text(text) if "//" in text else text
    return value
