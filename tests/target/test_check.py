"""`newstore-stock-import check`: each bad day is named before a run meets it, and nothing is changed."""

from __future__ import annotations

import collections
import email.utils
import json
import subprocess
import typing as t

import pytest

from tests.shop.plugin import run_plugin
from tests.shop.process import command, environment, wait_until
from tests.shop.scripted_http import ScriptedHttp, answer
from tests.target.stock_messages import a_cut, a_schema, a_state

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.newstore import NewStore
    from tests.shop.object_store import ObjectStore
    from tests.shop.plugin import Finished


class Checked(t.NamedTuple):
    """What a check has said: its exit code, the result, and its lines by what they are about."""

    code: int
    result: str
    lines: dict[str, dict[str, str]]


def check(directory: Path, settings: dict[str, t.Any], **variables: str) -> Checked:
    """Run the check, and see that no line is a traceback, and every line that is not green says what to do."""
    done = run_check(directory, settings, "--format=json", **variables)
    said = json.loads(done.output)
    assert said["plugin"] == "target-newstore-stock"
    assert all(bool(line["to_do"]) == (line["color"] != "green") for line in said["findings"]), said
    return Checked(done.code, said["result"], {line["what"]: line for line in said["findings"]})


def run_check(directory: Path, settings: dict[str, t.Any], *arguments: str, **variables: str) -> Finished:
    config = f"--config={write_config(directory, settings)}"
    done = run_plugin("newstore-stock-import", directory, None, "check", config, *arguments, **variables)
    assert "Traceback" not in done.log + done.output
    assert "sandbox-secret" not in done.log + done.output
    return done


def write_config(directory: Path, settings: dict[str, t.Any]) -> str:
    config = directory / "check.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    return str(config)


def test_all_is_green_and_nothing_is_left_behind(newstore: NewStore, tmp_path: Path) -> None:
    before = newstore.imports()
    found = check(tmp_path, {**newstore.target_settings, "store_mapping": {"DC01": "", "NYC1": "NYC1"}})
    assert (found.code, found.result) == (0, "green"), found.lines
    assert found.lines.keys() == {
        "configuration",
        "credentials",
        "locations",
        "store_mapping",
        "imports",
        "clock",
        "staging",
        "staging link",
        "lock",
    }
    assert newstore.imports() == before == []
    assert list(newstore.staging.iterdir()) == []


def test_people_get_a_line_each_and_the_result_last(newstore: NewStore, tmp_path: Path) -> None:
    done = run_check(tmp_path, newstore.target_settings)
    lines = done.output.splitlines()
    assert lines[0] == "green  configuration: complete"
    assert lines[-1].startswith("target-newstore-stock: green (0 red, 0 yellow, ")


def test_every_missing_setting_is_named_at_once(tmp_path: Path) -> None:
    done = run_check(tmp_path, {})
    assert done.code == 2
    for name in ("tenant", "client_id", "client_secret", "staging_url"):
        assert f"red    configuration: '{name}' is a required property. Set TARGET_NEWSTORE_STOCK_{name.upper()}" in (
            done.output
        )


def test_settings_come_from_variables_too(newstore: NewStore, tmp_path: Path) -> None:
    settings = newstore.target_settings
    del settings["client_secret"]
    found = check(tmp_path, settings, TARGET_NEWSTORE_STOCK_CLIENT_SECRET="wrong")
    assert (found.code, found.lines["credentials"]["color"]) == (1, "red")


@pytest.mark.parametrize(
    ("changed", "what", "said"),
    [
        ({"client_secret": "wrong"}, "credentials", "NewStore gives no token for this client_id and client_secret"),
        ({"auth_url": "http://127.0.0.1:1/token"}, "credentials", "no token from http://127.0.0.1:1/token"),
        ({"api_url": "http://127.0.0.1:1"}, "locations", "no answer from http://127.0.0.1:1"),
        ({"staging_url": "/proc/nowhere"}, "staging", "staging_url: cannot write"),
        ({"staging_link": "http://127.0.0.1:1/staging"}, "staging link", "no answer from http://127.0.0.1:1/staging"),
        ({"store_mapping": {"DC01": "DC01"}}, "store_mapping", "which cannot be changed"),
    ],
)
def test_a_bad_day_is_red_before_the_run(
    changed: dict[str, t.Any], what: str, said: str, newstore: NewStore, tmp_path: Path
) -> None:
    found = check(tmp_path, {**newstore.target_settings, **changed})
    assert (found.code, found.result, found.lines[what]["color"]) == (1, "red", "red"), found.lines
    assert said in found.lines[what]["said"]


def test_where_nothing_answers_no_right_of_the_client_is_to_blame(newstore: NewStore, tmp_path: Path) -> None:
    found = check(tmp_path, {**newstore.target_settings, "api_url": "http://127.0.0.1:1"})
    for what in ("locations", "imports"):
        assert found.lines[what]["to_do"] == "Correct api_url, or let this machine reach it (proxy, firewall)"


def test_all_that_is_wrong_is_said_in_one_go(newstore: NewStore, tmp_path: Path) -> None:
    wrong = {"client_secret": "wrong", "staging_url": "/proc/nowhere"}
    found = check(tmp_path, {**newstore.target_settings, **wrong})
    assert {what for what, line in found.lines.items() if line["color"] == "red"} == {"credentials", "staging"}


def test_a_link_that_leads_elsewhere_is_red(newstore: NewStore, tmp_path: Path) -> None:
    found = check(tmp_path, {**newstore.target_settings, "staging_url": str(tmp_path / "elsewhere")})
    assert found.lines["staging link"]["color"] == "red"
    assert "a file was staged, and" in found.lines["staging link"]["said"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_that_answers_with_something_else_is_red(newstore: NewStore, tmp_path: Path) -> None:
    with ScriptedHttp().serving() as proxy:
        proxy.answers = collections.defaultdict(lambda: answer(200, b"<html>Please log in</html>"))
        found = check(tmp_path, {**newstore.target_settings, "staging_link": proxy.url})
    assert (found.code, found.lines["staging link"]["color"]) == (1, "red")
    assert "answers with something else" in found.lines["staging link"]["said"]


@pytest.mark.parametrize("link", ["ftp://nowhere", "presigned", "uri"])
def test_a_useless_setting_ends_with_2(link: str, newstore: NewStore, tmp_path: Path) -> None:
    found = check(tmp_path, {**newstore.target_settings, "staging_link": link})
    assert (found.code, found.lines["configuration"]["color"]) == (2, "red")
    assert "staging_link" in found.lines["configuration"]["said"]


def test_a_mapped_location_newstore_does_not_know_is_yellow(newstore: NewStore, tmp_path: Path) -> None:
    found = check(tmp_path, {**newstore.target_settings, "store_mapping": {"DC99": "", "DC01": ""}})
    assert (found.code, found.lines["store_mapping"]["color"]) == (0, "yellow")
    assert "DC99" in found.lines["store_mapping"]["said"]
    assert "DC01" not in found.lines["store_mapping"]["said"]


def test_an_object_store_gets_a_link_that_is_fetched(
    newstore: NewStore, object_store: ObjectStore, tmp_path: Path
) -> None:
    place = {"staging_url": f"s3://{object_store.bucket}/staging", "staging_link": "presigned"}
    found = check(tmp_path, {**newstore.target_settings, **place}, **object_store.variables)
    assert (found.code, found.result) == (0, "green"), found.lines
    assert "Signature" not in found.lines["staging link"]["said"]
    assert object_store.keys() == []


def test_a_clock_that_is_off_is_named(tmp_path: Path) -> None:
    with ScriptedHttp().serving() as other:
        other.answers["/"] = answer(404, b"", Date=email.utils.formatdate(1_000_000, usegmt=True))
        other.answers["/v0/locations"] = answer(200, b'{"locations": []}')
        settings = {**other.settings, "staging_url": str(tmp_path / "staging"), "staging_link": other.url}
        found = check(tmp_path, settings)
    assert found.lines["clock"]["color"] == "yellow"
    assert "s apart" in found.lines["clock"]["said"]


def test_a_client_without_permission_is_named(tmp_path: Path) -> None:
    with ScriptedHttp().serving() as other:
        other.answers["/"] = answer(404)
        other.answers["/v0/locations"] = answer(403, b'{"message": "Forbidden"}')
        settings = {**other.settings, "staging_url": str(tmp_path / "staging"), "staging_link": other.url}
        found = check(tmp_path, settings)
    assert (found.code, found.lines["locations"]["color"]) == (1, "red")
    assert "Forbidden" in found.lines["locations"]["said"]
    assert "let the API client read locations" in found.lines["locations"]["to_do"]


def test_the_run_that_holds_the_lock_is_named_and_not_hindered(newstore: NewStore, tmp_path: Path) -> None:
    newstore.set_faults(hold_jobs=True)
    arguments = [command("target-newstore-stock"), "--config", write_config(tmp_path, newstore.target_settings)]
    messages = [a_schema(), *a_cut(1, {"SKU-1": 5}), a_state(1)]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), text=True
    ) as run:
        assert run.stdin
        run.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
        run.stdin.flush()
        wait_until(newstore.open_jobs, "job of the run")
        found = check(tmp_path, newstore.target_settings)
        assert found.code == 0
        assert found.lines["lock"]["color"] == found.lines["imports"]["color"] == "yellow"
        assert f"process {run.pid} on host" in found.lines["lock"]["said"]
        newstore.set_faults(hold_jobs=False)
        run.stdin.close()
        assert run.wait(60) == 0
    assert check(tmp_path, newstore.target_settings).result == "green"


@pytest.mark.parametrize(
    ("text", "said"), [("{", "not JSON: Expecting property name"), ("[" * 200_000, "not JSON: nested too deeply")]
)
def test_a_configuration_file_that_cannot_be_read_is_named(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "odd.json"
    config.write_text(text, encoding="utf-8")
    done = run_plugin("newstore-stock-import", tmp_path, None, "check", f"--config={config}")
    assert done.code == 2
    assert f"--config {config}: {said}" in done.output
    assert "Traceback" not in done.log + done.output
