"""A setting stands in one place, its package; what meltano.yml says of it is written from there and compared."""

from __future__ import annotations

import pytest

from tests.documentation.meltano_settings import with_settings
from tests.documentation.plugins import PLUGINS, UTILITIES
from tests.documentation.written import MELTANO_YML

MUTATIONS = {
    "deleted": (
        "    - name: poll_seconds\n      kind: string\n      label: Poll interval (seconds)\n",
        "    - label: Poll interval (seconds)\n",
    ),
    "of the wrong kind": (
        "- name: emit_unreleased\n      kind: boolean",
        "- name: emit_unreleased\n      kind: string",
    ),
    "wrongly described": ('label: Days kept\n      description: "', 'label: Days kept\n      description: "Not '),
    "with a default of its own": (
        "      label: Largest cut\n",
        "      label: Largest cut\n      value: 7\n",
    ),
    "no secret any more": (
        '      description: "Secret of the API client"\n      sensitive: true\n',
        '      description: "Secret of the API client"\n',
    ),
    "selected, with streams that are not by default": ('    - "fulfillment_events.*"\n', '    - "*.*"\n'),
    "needed, and not said so": ("    - [ledger_url, on_hand_url]\n", "    - [ledger_url]\n"),
    "with an option too many": (
        "      - label: warn\n        value: warn\n",
        "      - label: warn\n        value: warn\n      - label: shout\n        value: shout\n",
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_setting_that_is_wrong_in_meltano_yml_is_found(mutation: str) -> None:
    text = MELTANO_YML.read_text(encoding="utf-8")
    right, wrong = MUTATIONS[mutation]
    assert right in text
    mutated = text.replace(right, wrong)
    assert with_settings(mutated, (*PLUGINS, *UTILITIES)) == text != mutated
