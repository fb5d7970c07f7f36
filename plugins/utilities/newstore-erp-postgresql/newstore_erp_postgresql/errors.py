"""Errors of this package."""


class ErpError(Exception):
    """A command failed and changed nothing."""
