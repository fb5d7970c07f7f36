"""What may be said of a setting or an error without saying a secret: what cannot be parsed is not printed."""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable

#: What stands before the host of an address; a password may hold `@`, `/`, `?` and `#` that nobody has escaped.
CREDENTIALS = re.compile(r"(\S*?//)?\S*@")
#: How jsonschema begins to say that a value, which it quotes, should be text, or hold texts.
QUOTED = re.compile(r".* is not of type '(?=(?:string|array|object)')", re.DOTALL)

#: What fsspec says of a kind of store it does not know.
UNKNOWN = re.compile(r"Protocol not known: [\w+.-]+")


def masked(text: str) -> str:
    """Return a text on one line, without user and password of the addresses in it."""
    return CREDENTIALS.sub(r"\1", " ".join(text.split()))


def reason(error: Exception) -> str:
    """Return what an error says; of one that quotes what it could not parse only its name."""
    return type(error).__name__ if isinstance(error, ValueError) else masked(str(error)) or type(error).__name__


def no_place(error: Exception) -> str:
    """Return why fsspec takes a URL for no place."""
    is_plain = isinstance(error, ImportError) or UNKNOWN.fullmatch(str(error))
    return str(error) if is_plain else "expected a directory or a URL such as s3://bucket/prefix"


def without_values(lines: Iterable[str]) -> list[str]:
    """Return the lines of a failed validation without values that should be or hold text: a secret may be a number."""
    return [QUOTED.sub("what is set is not of type '", line) for line in lines]
