"""Errors of this package; `code` is for tools, and docs/errors.md is written from the docstrings."""

from __future__ import annotations

import typing as t


class ErpError(RuntimeError):
    """A command failed and changed nothing.

    Correct `database_url` or `ledger_url`, or wait for the database; then run it again.
    """

    code: t.ClassVar[str] = "NSS-400"
    exit_code = 1


class SettingsError(ErpError):
    """A setting or an option is missing, or cannot be read.

    Correct what the line names.
    """

    code = "NSS-401"
    exit_code = 2
