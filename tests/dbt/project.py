"""dbt in an environment of its own: its requirements and Meltano's do not fit together."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.shop.process import command, environment

PACKAGE = Path(__file__).parents[2] / "dbt" / "newstore_fulfillment"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
INSTALL_SECONDS, RUN_SECONDS = 300, 120


class Dbt:
    """The package as a project of its own, on a database of PostgreSQL.

    Args:
        directory: For the environment, and for what dbt writes.
        url: SQLAlchemy URL of the database.
        variables: The package's.
    """

    def __init__(self, directory: Path, url: str, **variables: t.Any) -> None:
        self._directory = directory / "dbt"
        self._variables = variables
        self._dbt = self._directory / "venv" / "bin" / "dbt"
        uv = [command("uv"), "--quiet"]
        install = [
            "pip",
            "install",
            "--python",
            str(self._dbt.with_name("python")),
            "--requirements",
            str(REQUIREMENTS),
        ]
        for arguments in (["venv", str(self._dbt.parents[1])], install):
            made = subprocess.run(
                [*uv, *arguments],
                env=environment(UV_SYSTEM_CERTS="1"),
                capture_output=True,
                text=True,
                timeout=INSTALL_SECONDS,
                check=False,
            )
            if made.returncode:
                pytest.skip(f"dbt cannot be installed here: {made.stderr.strip().splitlines()[-1]}")
        database = sa.make_url(url)
        output = {
            "type": "postgres",
            "host": database.query.get("host") or database.host,
            "port": database.port or 5432,
            "user": database.username,
            "password": database.password or "",
            "dbname": database.database,
            "schema": "models",
            "threads": 2,
        }
        profile = {"newstore_fulfillment": {"target": "test", "outputs": {"test": output}}}
        (self._directory / "profiles.yml").write_text(json.dumps(profile), encoding="utf-8")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of dbt."""
        return subprocess.run(
            [str(self._dbt), *arguments, "--vars", json.dumps(self._variables)],
            cwd=PACKAGE,
            env=environment(
                DBT_PROFILES_DIR=str(self._directory),
                DBT_TARGET_PATH=str(self._directory / "target"),
                DBT_LOG_PATH=str(self._directory / "logs"),
                DBT_SEND_ANONYMOUS_USAGE_STATS="false",
                DBT_USE_COLORS="false",
            ),
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
