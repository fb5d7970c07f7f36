"""What can go wrong in this package, said so that a user can act on it."""


class ErpError(Exception):
    """A command cannot be carried out; nothing was changed."""
