"""What comes between tap and mapper, and takes something away: the run is refused, and the next one makes it good."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from tap_newstore_fulfillment.tap import TapNewStoreFulfillment

from tests.end_to_end.meltano_project import Project
from tests.shop.pipeline import MAPPER, PARTS, TAP, TARGET, Pipeline

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Changes = dict[str, t.Any]
STREAM = "fulfillment_events"
IN_BETWEEN = "meltano-map-transform"
FIRST_ONLY = {"stream_maps": {STREAM: {"__filter__": "logical_timestamp < 3"}}}


@dataclasses.dataclass(frozen=True)
class Between:
    """What comes between tap and mapper.

    Attributes:
        said: What the refusal says.
        tap: Settings of the tap.
        mapper: Settings of a mapper before ours; None: there is none.
        deselected: A field of the stream that the catalog leaves out.
    """

    said: str
    tap: Changes = dataclasses.field(default_factory=dict)
    mapper: Changes | None = None
    deselected: str = ""


def maps(stream_map: Changes | None) -> Changes:
    return {"stream_maps": {STREAM: stream_map}}


FEWER = r"the tap has sent 4 records of fulfillment_events in this run, and 2 came here"
LACKING = "the SCHEMA of fulfillment_events has no "
WAYS = {
    "a filter in the tap": Between(FEWER, tap=maps({"__filter__": "logical_timestamp not in (5, 6)"})),
    "a null stream map in the tap": Between("and 0 came here", tap=maps(None)),
    "an alias in the tap": Between("no SCHEMA of it came here, only of events", tap=maps({"__alias__": "events"})),
    "other ids from the tap": Between("not the same ones", tap=maps({"event_id": "md5(event_id)"})),
    "items dropped in the tap": Between(LACKING + "items", tap=maps({"items": None})),
    "items not selected": Between(LACKING + "items", deselected="items"),
    "released not selected": Between(LACKING + "released", deselected="released"),
    "records in files": Between(
        "a BATCH message of fulfillment_events came",
        tap={"batch_config": {"encoding": {"format": "jsonl"}, "storage": {"root": "file:///tmp"}}},
    ),
    "a mapper with a filter": Between(FEWER, mapper=maps({"__filter__": "logical_timestamp not in (5, 6)"})),
    "a mapper with a null stream map": Between("and 0 came here", mapper=maps(None)),
    "a mapper with an alias": Between("no SCHEMA of it came here", mapper=maps({"__alias__": "events"})),
    "a mapper that drops a field": Between(LACKING + "released", mapper=maps({"released": None})),
}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Pipeline]:
    """A shop whose first sale has been imported; the other two have not."""
    with Pipeline(tmp_path) as shop:
        shop.newstore.add_location("DC01")
        shop.stock("DC01", "SKU-1", 10)
        shop.newstore.sell("DC01", "SKU-1")
        yield shop


def run(shop: Pipeline, way: Between) -> tuple[tuple[int, ...], str]:
    """Run the shop once with something in between; return the exit codes and the log."""
    before = shop.settings[TAP]
    shop.settings[TAP] = before | way.tap
    shop.catalog = catalog_without(way.deselected, before) if way.deselected else None
    parts: tuple[str, ...] = PARTS
    if way.mapper is not None:
        shop.settings[IN_BETWEEN] = way.mapper
        parts = (TAP, IN_BETWEEN, MAPPER, TARGET)
    done = shop.run(parts)
    shop.settings[TAP], shop.catalog = before, None
    return done.codes, done.log


def catalog_without(field: str, settings: Changes) -> Changes:
    catalog: Changes = json.loads(TapNewStoreFulfillment(config=settings).catalog_json_text)
    for entry in catalog["streams"]:
        for selection in entry["metadata"]:
            if selection["breadcrumb"] == ["properties", field]:
                selection["metadata"]["selected"] = False
    return catalog


@pytest.mark.fault("F28")
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_run_that_lost_something_on_the_way_is_refused_and_the_next_makes_it_good(
    shop: Pipeline, way: Between
) -> None:
    assert shop.run().codes == (0, 0, 0)
    state, ranges = shop.state, shop.newstore.ranges()
    shop.newstore.sell("DC01", "SKU-1")
    shop.newstore.sell("DC01", "SKU-1")

    codes, log = run(shop, way)
    assert codes[-2] == 1, log
    refusals = [line for line in log.splitlines() if "ERROR" in line and MAPPER in line]
    assert len(refusals) == 1, log
    assert way.said in refusals[0]
    assert "Traceback" not in log
    assert (shop.state, shop.newstore.ranges()) == (state, ranges)

    assert shop.run().codes == (0, 0, 0)
    assert shop.newstore.truth()["oversold"] == []
    numbers = shop.newstore.numbers("DC01", "SKU-1")
    assert (numbers["atp"], numbers["free"]) == (7, 7)


def test_a_mapper_in_between_that_changes_nothing_is_no_hindrance(shop: Pipeline) -> None:
    assert run(shop, Between("", mapper={"stream_maps": {}})) == ((0, 0, 0, 0), shop.log)
    assert shop.newstore.numbers("DC01", "SKU-1")["atp"] == 9


@pytest.mark.parametrize("name", ["a filter in the tap", "a mapper with a filter", "a null stream map in the tap"])
def test_meltano_run_fails_and_keeps_its_state(shop: Pipeline, tmp_path: Path, name: str) -> None:
    project = Project(tmp_path / "project", shop)
    shop.newstore.wait_for_delivery()
    first = project.run()
    assert first.returncode == 0, first.stdout
    state, ranges = project.state(), shop.newstore.ranges()
    shop.newstore.sell("DC01", "SKU-1")
    shop.newstore.sell("DC01", "SKU-1")
    shop.newstore.wait_for_delivery()
    way = WAYS[name]
    refused = project.run(tap=way.tap, before={IN_BETWEEN: way.mapper} if way.mapper else {})
    assert refused.returncode == 1, refused.stdout
    assert "the tap has sent 4 records of fulfillment_events" in refused.stdout, refused.stdout
    assert (project.state(), shop.newstore.ranges()) == (state, ranges)
