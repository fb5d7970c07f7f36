"""What may be said of a setting or an error without saying a secret: what cannot be parsed is not printed."""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable

#: How an address begins: up to its host, or to the user before it.
BEGINNING = re.compile(r"\S*?(?:://?|//)")
#: An address in a text that may hold a secret; in a password may be blanks, and `@ / ? #` that nobody has escaped.
ADDRESS = re.compile(r"\S*?(?:://?|//)(?:.*@\S*|[^\s?#]*[?#]\S*)")
#: How jsonschema begins to say that a value, which it quotes, should be text, or hold texts.
QUOTED = re.compile(r".* is not of type '(?=(?:string|array|object)')", re.DOTALL)

#: What fsspec says of a kind of store it does not know.
UNKNOWN = re.compile(r"Protocol not known: [\w+.-]+")


def masked(url: str) -> str:
    """Return a URL or a path on one line, without what may be a secret: user, password, query and fragment."""
    line = " ".join(url.split())
    found = BEGINNING.match(line)
    beginning = found[0] if found else ""
    is_path = line.startswith("/") and not beginning
    place, *rest = [line] if is_path else re.split("[?#]", line, maxsplit=1)
    if any("@" in each for each in rest):
        # The rest of a password, or a query: which of them cannot be seen.
        return f"{beginning}…"
    return beginning + place.removeprefix(beginning).rpartition("@")[2]


def in_text(text: str) -> str:
    """Return a text on one line, without what may be a secret of the addresses in it."""
    line = ADDRESS.sub(lambda found: masked(found[0]), " ".join(text.split()))
    return re.sub(r"\S*@", "", line)


def reason(error: Exception) -> str:
    """Return what an error says; of one that quotes what it could not parse only its name."""
    return type(error).__name__ if isinstance(error, ValueError) else in_text(str(error)) or type(error).__name__


def no_place(error: Exception) -> str:
    """Return why fsspec takes a URL for no place."""
    is_plain = isinstance(error, ImportError) or UNKNOWN.fullmatch(str(error))
    return str(error) if is_plain else "expected a directory or a URL such as s3://bucket/prefix"


def without_values(lines: Iterable[str]) -> list[str]:
    """Return the lines of a failed validation without values that should be or hold text: a secret may be a number."""
    return [QUOTED.sub("what is set is not of type '", line) for line in lines]
