"""Errors of this package; `code` is for tools, and docs/errors.md is written from the docstrings."""

from __future__ import annotations

import typing as t


class ErpError(Exception):
    """A command failed and changed nothing.

    Correct `database_url` or `ledger_url`, or wait for the database; then run it again.
    """

    code: t.ClassVar[str] = "NSS-400"
