"""The staging place, and the links to its files."""

from __future__ import annotations

import typing as t

import pytest
from target_newstore_stock.errors import StagingError
from target_newstore_stock.staging import Staging

if t.TYPE_CHECKING:
    from pathlib import Path


def write(target: t.IO[bytes]) -> None:
    target.write(b"zip")


def test_a_file_is_written_and_linked_below_the_base_url(tmp_path: Path) -> None:
    staging = Staging(str(tmp_path / "new"), "https://files.example/stock/")
    assert staging.write("cut 1.zip", write) == "https://files.example/stock/cut%201.zip"
    assert (tmp_path / "new" / "cut 1.zip").read_bytes() == b"zip"


def test_a_file_may_be_named_by_its_own_uri(tmp_path: Path) -> None:
    assert Staging(str(tmp_path), "uri").write("a.zip", write) == f"file://{tmp_path}/a.zip"


def test_a_directory_has_no_presigned_links(tmp_path: Path) -> None:
    with pytest.raises(StagingError, match="staging_link: presigned links need an object store"):
        Staging(str(tmp_path), "presigned").write("a.zip", write)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StagingError, match=r"staging_url: cannot write .*/file/a.zip"):
        Staging(str(tmp_path / "file"), "uri").write("a.zip", write)


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(StagingError, match="staging_url: Protocol not known: nosuch"):
        Staging("nosuch://x", "uri")


def test_a_place_that_refuses_names_the_path_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / "file" / "a.zip"
    staging = Staging(str(path.parent), "uri")
    expected = f"^staging_url: cannot write {path}: Not a directory$"
    with pytest.raises(StagingError, match=expected):
        staging.write("a.zip", write)
    with pytest.raises(StagingError, match=expected):
        staging.note("a.zip")
