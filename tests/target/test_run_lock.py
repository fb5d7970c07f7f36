"""The lock of runs on one machine lies where no other user can plant anything."""

from __future__ import annotations

import tempfile
import typing as t

import pytest
from target_newstore_stock.errors import ConfigurationError, SecondRunError
from target_newstore_stock.run_lock import RunLock

if t.TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_lies_in_a_directory_of_the_users_own(temporary: Path) -> None:
    lock = RunLock("p of t", "https://a", "s3://b")
    lock.acquire()
    (directory,) = temporary.iterdir()
    assert directory.stat().st_mode & 0o777 == 0o700
    with pytest.raises(SecondRunError, match="another run imports for p of t"):
        RunLock("p of t", "https://a", "s3://b").acquire()
    RunLock("p of t", "https://a", "s3://other").acquire()
    lock.release()


@pytest.mark.parametrize("planted", ["link", "file", "open"])
def test_what_somebody_else_has_put_there_is_not_used(temporary: Path, planted: str) -> None:
    RunLock("p of t")
    (directory,) = temporary.iterdir()
    directory.rmdir()
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    if planted == "link":
        directory.symlink_to(elsewhere)
    elif planted == "file":
        directory.write_text("kept")
    else:
        directory.mkdir()
        directory.chmod(0o777)
    with pytest.raises(ConfigurationError, match=r"the run's lock cannot be kept there: .* set TMPDIR") as caught:
        RunLock("p of t").acquire()
    assert caught.value.exit_code == 2
    assert list(elsewhere.iterdir()) == []
