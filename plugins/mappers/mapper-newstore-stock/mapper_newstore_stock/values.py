"""Small classes of values. What every run loads is made of these: a dataclass takes half a millisecond to define."""

from __future__ import annotations

import msgspec


class Value(msgspec.Struct, frozen=True):
    """A class of values that are never read from JSON: nobody looks at its annotations."""
