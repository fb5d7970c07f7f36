"""What a tap of ours reads under Meltano, which decides that from `select` alone and not from the catalog."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
import yaml
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.documentation.written import HUB
from tests.end_to_end.own_project import OwnProject
from tests.tap.events import ASSIGNED, an_event

if t.TYPE_CHECKING:
    import subprocess
    from pathlib import Path

TAP = "tap-newstore-fulfillment"
EVENTS, ITEMS = "fulfillment_events", "fulfillment_event_items"


@pytest.fixture(params=["meltano.yml", "hub"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> OwnProject:
    if request.param == "meltano.yml":
        return OwnProject.of_the_checkout(tmp_path / "project")
    definition = yaml.safe_load((HUB / "extractors" / f"{TAP}.yml").read_text(encoding="utf-8"))
    return OwnProject(tmp_path / "project", {"extractors": [definition]})


@pytest.fixture
def landing_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'landing.db'}"
    store = LandingStore(url)
    bodies = (an_event(12, "A"), an_event(10, name=ASSIGNED), an_event(11, "A", "B"))
    store.add([check_event(json.dumps(body).encode()) for body in bodies], received_at=0)
    store.close()
    return url


def streams(run: subprocess.CompletedProcess[str]) -> set[str]:
    """Return the streams a run of the tap has sent records of."""
    assert run.returncode == 0, run.stderr
    messages = [json.loads(line) for line in run.stdout.splitlines()]
    return {message["stream"] for message in messages if message["type"] == "RECORD"}


def test_events_are_read_once_unless_the_items_are_selected(project: OwnProject, landing_url: str) -> None:
    settings = {"TAP_NEWSTORE_FULFILLMENT_LANDING_URL": landing_url}
    assert streams(project.meltano("invoke", TAP, **settings)) == {EVENTS}
    # As the tap's README says.
    assert project.meltano("select", TAP, ITEMS, "*", **settings).returncode == 0
    assert streams(project.meltano("invoke", TAP, **settings)) == {EVENTS, ITEMS}


def test_who_selects_the_items_already_goes_on_doing_so(project: OwnProject, landing_url: str) -> None:
    settings = {
        "TAP_NEWSTORE_FULFILLMENT_LANDING_URL": landing_url,
        "TAP_NEWSTORE_FULFILLMENT__SELECT": f'["{ITEMS}.*"]',
    }
    assert streams(project.meltano("invoke", TAP, **settings)) == {ITEMS}
    del settings["TAP_NEWSTORE_FULFILLMENT__SELECT"]
    (extractor,) = project.plugins["extractors"]
    extractor["select"] = ["*.*"]
    project.write()
    assert streams(project.meltano("invoke", TAP, **settings)) == {EVENTS, ITEMS}


def test_a_tap_with_a_name_of_its_own_reads_events_once_too(project: OwnProject, landing_url: str) -> None:
    project.plugins["extractors"].append({"name": f"{TAP}--uk", "inherit_from": TAP})
    project.write()
    run = project.meltano("invoke", f"{TAP}--uk", TAP_NEWSTORE_FULFILLMENT__UK_LANDING_URL=landing_url)
    assert streams(run) == {EVENTS}


def test_the_configuration_of_the_tap_is_tested_by_meltano(project: OwnProject, landing_url: str) -> None:
    tested = project.meltano("config", "test", TAP, TAP_NEWSTORE_FULFILLMENT_LANDING_URL=landing_url)
    assert tested.returncode == 0, tested.stderr
    assert "Plugin configuration is valid" in re.sub(r"\s+", " ", tested.stdout + tested.stderr)
    tested = project.meltano("config", "test", TAP)
    assert tested.returncode == 1
    assert "landing_url" in tested.stdout + tested.stderr
