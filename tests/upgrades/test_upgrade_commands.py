"""`upgrade` brings a store to this version and says beforehand what it would do; newer ones are refused in one line."""

from __future__ import annotations

import re
import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.ledger.opening import holding

from tests.shop.plugin import run_plugin
from tests.upgrades.stores import OPENS, content, load_oldest

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.shop.plugin import Finished

WHAT = {"ledger": "the ledger, of 4 keys,", "landing": "the landing store, of 10 events,"}
TABLES = {"ledger": "ledger", "landing": "landing_store"}


def run(store: str, directory: Path, url: str, *arguments: str) -> Finished:
    """Run a command of a store."""
    if store == "ledger":
        return run_plugin("newstore-stock-ledger", directory, None, "--ledger-url", url, *arguments)
    variables = {"TAP_NEWSTORE_FULFILLMENT_LANDING_URL": url}
    return run_plugin("newstore-event-receiver", directory, None, *arguments, **variables)


@pytest.mark.parametrize("store", OPENS)
def test_check_says_what_would_be_done_and_changes_nothing(
    store: str, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = load_oldest(new_database("old"), store)
    before = content(url)
    checked = run(store, tmp_path, url, "upgrade", "--check")
    assert checked.code == 3, checked.log
    assert checked.output.startswith(f"{WHAT[store]} would be brought from schema version ")
    assert content(url) == before
    done = run(store, tmp_path, url, "upgrade")
    assert done.code == 0, done.log
    what = checked.output.partition(": ")[2]
    assert re.fullmatch(
        rf"the .+ was brought from schema version \d to \d in \d+\.\d s: {re.escape(what)}", done.output
    )
    assert re.fullmatch(r"the .+ has schema version \d\n", run(store, tmp_path, url, "upgrade").output)
    checked = run(store, tmp_path, url, "upgrade", "--check")
    assert checked.code == 0
    assert checked.output.endswith("nothing to do\n")


@pytest.mark.parametrize("store", OPENS)
def test_a_store_of_a_newer_program_is_refused_in_one_line_and_left_alone(
    store: str, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = load_oldest(new_database("newer"), store)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE {TABLES[store]} SET schema_version = 99"))
    engine.dispose()
    before = content(url)
    question = ["cuts"] if store == "ledger" else ["backlog"]
    for arguments in (["upgrade"], ["upgrade", "--check"], ["copy", "--to", f"sqlite:///{tmp_path}/x.db"], question):
        refused = run(store, tmp_path, url, *arguments)
        assert refused.code == 1
        assert "has schema version 99, this program knows" in refused.log
        assert refused.log.count("\n") == 1
    assert content(url) == before


@pytest.mark.parametrize("store", OPENS)
def test_a_store_that_is_not_there_is_not_made(store: str, new_database: Callable[[str], str], tmp_path: Path) -> None:
    url = new_database("none")
    for arguments in (["upgrade"], ["upgrade", "--check"], ["copy", "--to", f"sqlite:///{tmp_path}/x.db"]):
        refused = run(store, tmp_path, url, *arguments)
        assert (refused.code, refused.log.count("\n")) == (1, 1)
        assert "there is no" in refused.log
    assert not list(tmp_path.glob("none.db"))


def test_a_ledger_in_use_is_not_upgraded(new_database: Callable[[str], str], tmp_path: Path) -> None:
    url = load_oldest(new_database("old"), "ledger")
    with holding(url):
        refused = run("ledger", tmp_path, url, "upgrade")
        assert (refused.code, refused.log.count("\n")) == (1, 1)
        assert "the ledger is in use: process" in refused.log
        assert run("ledger", tmp_path, url, "upgrade", "--check").code == 3
