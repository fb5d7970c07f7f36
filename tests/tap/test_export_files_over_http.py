"""Export files behind http: read from the host that is named, in calls that end; no secret is shown."""

from __future__ import annotations

import contextlib
import sqlite3
import time
import typing as t

import pytest
from fsspec.implementations.http import HTTPFileSystem
from tap_newstore_fulfillment.errors import ExportFilesError
from tap_newstore_fulfillment.export_files import web_files
from tap_newstore_fulfillment.export_files.prefix import ExportPrefix
from tap_newstore_fulfillment.export_files.refused_lines import shown_path

from tests.shop.plugin import run_plugin
from tests.shop.scripted_http import ScriptedHttp, answer
from tests.tap.events import an_event
from tests.tap.export_files import ExportTap, an_export

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "1700000000000-data-a.export"
PAGE, FILE = "/demo", f"/demo/{NAME}"
EXPORT = an_export(an_event(10))


@pytest.fixture
def server() -> Iterator[ScriptedHttp]:
    # Its clients are kept, with the limits they were made with.
    HTTPFileSystem.clear_instance_cache()
    with ScriptedHttp().serving() as server:
        server.answers[PAGE] = answer(200, f'<a href="{NAME}">a</a>'.encode(), Content_Type="text/html")
        server.answers[FILE] = answer(200, EXPORT, Accept_Ranges="bytes")
        yield server
    HTTPFileSystem.clear_instance_cache()


def read(server: ScriptedHttp) -> list[bytes | None]:
    """Return the content of each file; None for one that has been deleted."""
    prefix = ExportPrefix(f"http://shop:hunter2@{server.url.removeprefix('http://')}{PAGE}")
    return [content.readall() if content else None for _, content in prefix.open(list(prefix.files()))]


def refusal(server: ScriptedHttp) -> str:
    """Return the one line in which a run is refused."""
    with pytest.raises(ExportFilesError) as caught:
        read(server)
    text = str(caught.value)
    assert text.isprintable()
    assert "hunter2" not in text
    return text


def test_export_files_are_read_from_a_server(server: ScriptedHttp) -> None:
    assert read(server) == [EXPORT]


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_gone_is_none(server: ScriptedHttp, status: int) -> None:
    server.answers[FILE] = answer(status)
    assert read(server) == [None]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
@pytest.mark.parametrize("path", [PAGE, FILE])
def test_what_the_server_only_does_not_give_is_not_taken_for_gone(server: ScriptedHttp, path: str, status: int) -> None:
    """What such a file holds is not known, and must not be claimed."""
    server.answers[path] = answer(status)
    assert f": {status}" in refusal(server)


@pytest.mark.parametrize("path", [PAGE, FILE])
def test_a_server_that_hangs_up_is_not_one_without_the_file(server: ScriptedHttp, path: str) -> None:
    server.answers[path] = b""
    assert "cannot" in refusal(server)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("path", [PAGE, FILE])
def test_no_redirect_is_followed(server: ScriptedHttp, path: str, status: int) -> None:
    with ScriptedHttp().serving() as stranger:
        stranger.answers |= server.answers
        server.answers[path] = answer(status, Location=f"{stranger.url}{path}?signature=hunter2")
        assert f"{status}, a redirect to {stranger.url}{path}, which is not followed" in refusal(server)
        assert stranger.requests == []


@pytest.mark.parametrize("path", [PAGE, FILE])
def test_what_comes_byte_by_byte_is_waited_for_no_longer_than_a_call_may_take(
    server: ScriptedHttp, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(web_files, "CALL_SECONDS", 0.5)
    server.byte_seconds[path] = 0.02
    begun = time.monotonic()
    refusal(server)
    assert time.monotonic() - begun < 10


def test_a_page_with_links_is_not_longer_than_one_may_be(server: ScriptedHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_files, "LONGEST_ANSWER", 1_000)
    server.answers[PAGE] = answer(200, b" " * 2_000, Content_Type="text/html")
    assert "more than 1000 bytes" in refusal(server)


BAD = an_export(an_event(10), an_event(11, items=5), an_event(12))


def of(server: ScriptedHttp, password: str) -> str:
    return f"http://shop:{password}@{server.url.removeprefix('http://')}{PAGE}"


def forget_what_was_read(directory: Path) -> None:
    """Have all files read again: a page with links does not say that one has changed."""
    with contextlib.closing(sqlite3.connect(directory / "landing.db")) as connection:
        connection.execute("DELETE FROM export_file")
        connection.commit()


def stored(directory: Path, *columns: str) -> list[tuple[t.Any, ...]]:
    found = []
    with contextlib.closing(sqlite3.connect(directory / "landing.db")) as connection:
        for column in columns:
            table, _, name = column.partition(".")
            found += connection.execute(f"SELECT {name} FROM {table} ORDER BY 1").fetchall()
    return found


def test_no_password_is_kept_and_another_one_changes_nothing(tmp_path: Path, server: ScriptedHttp) -> None:
    server.answers[FILE] = answer(200, BAD, Accept_Ranges="bytes")
    tap = ExportTap(tmp_path, of(server, "hunter2"))
    tap.run()
    assert b"hunter2" not in (tmp_path / "landing.db").read_bytes()
    assert stored(tmp_path, "quarantine.path", "export_file.prefix") == [
        (f"{server.url}{PAGE}/{NAME}",),
        (f"{server.url}{PAGE}",),
    ]
    tap.settings["export_files_url"] = of(server, "hunter3")
    assert ", 0 read," in tap.run().log
    forget_what_was_read(tmp_path)
    assert ", 1 read," in tap.run().log
    assert stored(tmp_path, "quarantine.line") == [(2,)]


@pytest.mark.parametrize("secret", ["hunter2", "hunter1"])
def test_what_an_earlier_version_kept_with_a_password_is_not_shown_and_forgotten_when_its_file_is_read(
    tmp_path: Path, server: ScriptedHttp, secret: str
) -> None:
    server.answers[FILE] = answer(200, BAD, Accept_Ranges="bytes")
    tap = ExportTap(tmp_path, of(server, "hunter2"))
    tap.run()
    with contextlib.closing(sqlite3.connect(tmp_path / "landing.db")) as connection:
        old = of(server, secret)
        connection.execute("UPDATE quarantine SET path = ?", [f"{old}/{NAME}"])
        connection.execute("UPDATE export_file SET prefix = ?", [old])
        connection.commit()
    settings = {"landing_url": tap.settings["landing_url"]}
    listed = run_plugin("newstore-event-receiver", tmp_path, settings, "quarantine", "list", "--format=json")
    assert f'"{server.url}{PAGE}/{NAME}, line 2"' in listed.output
    look = run_plugin("newstore-event-receiver", tmp_path, settings, "quarantine", "show", "1")
    assert secret not in listed.output + listed.log + look.log
    assert ", 0 read," in tap.run().log
    assert stored(tmp_path, "quarantine.path") == [(f"{server.url}{PAGE}/{NAME}",)]
    server.answers[FILE] = answer(200, an_export(an_event(10), an_event(11)), Accept_Ranges="bytes")
    forget_what_was_read(tmp_path)
    assert ", 1 read," in tap.run().log
    assert stored(tmp_path, "quarantine.path") == []


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("http://h/x?sig=geheim/demo/1-data-a.export", "http://h/x/1-data-a.export"),
        ("http://u:geheim@h/x/demo/1-data-a.export", "http://h/x/demo/1-data-a.export"),
        ("http://u:geh?eim@h/x/1-data-a.export", "http://…/1-data-a.export"),
        ("http://h/x?sig=geheim", "http://h/x"),
        ("http://h/x?sig=a/geheim?b=1", "http://h/x"),
        ("s3://bucket/x/1-data-a.export", "s3://bucket/x/1-data-a.export"),
        ("file:///srv/a#b/c@d/1-data-a.export", "file:///srv/a#b/c@d/1-data-a.export"),
        ("/events", "/events"),
    ],
)
def test_a_path_is_shown_without_secrets(path: str, shown: str) -> None:
    assert shown_path(path) == shown


def test_a_local_directory_is_shown_as_it_is_called(tmp_path: Path) -> None:
    directory = tmp_path / "a#b" / "c@d"
    directory.mkdir(parents=True)
    assert ExportPrefix(str(directory)).shown == f"file://{directory}"


def test_no_password_of_a_prefix_is_shown_however_much_is_said(tmp_path: Path, server: ScriptedHttp) -> None:
    url = f"http://shop:hunter2@{server.url.removeprefix('http://')}{PAGE}"
    settings = {"source": "export_files", "export_files_url": url, "settle_seconds": 0}
    done = run_plugin(
        "tap-newstore-fulfillment",
        tmp_path,
        settings | {"landing_url": f"sqlite:///{tmp_path / 'landing.db'}"},
        LOGLEVEL="debug",
    )
    assert [record["logical_timestamp"] for record in done.records] == [10], done.log
    assert "DEBUG" in done.log
    assert "hunter2" not in done.log
