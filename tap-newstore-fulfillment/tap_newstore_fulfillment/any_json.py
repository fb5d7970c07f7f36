"""JSON as senders really write it, brought into JSON that every reader understands.

Nearly all bodies are that already: msgspec reads them in one pass, and they stay as they are.
"""

from __future__ import annotations

import json
import math
import re
import typing as t

import msgspec

#: Readers give up at some depth, each at another one. Whatever is nested deeper becomes null.
DEEPEST = 32
LONGEST_INTEGER = 4_000
#: A string, which may hold brackets, or a bracket. A string without an end takes all the rest, or the search would go
#: on behind each of its quotes.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)

_decode = msgspec.json.Decoder().decode


class ReadJson(t.NamedTuple):
    """A JSON text and its value.

    Attributes:
        is_as_sent: The text is what was sent, not a rewritten form of it.
        is_lossy: Parts were no Unicode text; U+FFFD stands for them.
    """

    text: str
    value: t.Any
    is_as_sent: bool = True
    is_lossy: bool = False


def read_json(raw: bytes) -> ReadJson:
    """Read JSON, in any encoding of Unicode.

    Raises:
        ValueError: it is not JSON; the text says where, and quotes nothing.
    """
    try:
        text = raw.decode()
        value = _decode(text)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return _rewritten(raw)
    # Counting is fast, and enough for nearly all.
    is_deep = text.count("[") + text.count("{") > DEEPEST and isinstance(value, (dict, list)) and _is_deep(value)
    return _rewritten(raw) if is_deep else ReadJson(text, value)


def _rewritten(raw: bytes) -> ReadJson:
    encoding = json.detect_encoding(raw)
    text = raw.decode(encoding, "replace")
    try:
        value = json.loads(
            _shallow(text), strict=False, parse_int=_integer, parse_float=_decimal, parse_constant=lambda _: None
        )
    except json.JSONDecodeError as error:
        if not _is_whole(raw, encoding):
            raise ValueError(f"not {encoding.upper()}, and not JSON where it is") from error
        raise ValueError(f"not JSON: {error.msg} (character {error.pos})") from error
    except RecursionError as error:
        raise ValueError("not JSON: nested too deeply") from error
    written = json.dumps(value, ensure_ascii=False)
    plain = written.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    is_lossy = plain != written or not _is_whole(raw, encoding)
    return ReadJson(plain, _decode(plain), is_as_sent=False, is_lossy=is_lossy)


def _is_whole(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _is_deep(value: t.Any, levels: int = DEEPEST) -> bool:
    """Return whether a value is nested deeper than so many levels."""
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deep(each, levels - 1) for each in inner if isinstance(each, (dict, list)))


def _shallow(text: str) -> str:
    """Return the text with null in place of whatever is nested deeper than DEEPEST."""
    kept, begun, depth = [], 0, 0
    for token in _TOKENS.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
            if depth == DEEPEST + 1:
                kept += [text[begun : token.start()], "null"]
        elif token[0] in ("]", "}"):
            depth -= 1
            if depth == DEEPEST:
                begun = token.end()
    # Without its closing bracket the text is no JSON, and what is missing shows it.
    return "".join([*kept, text[begun:] if depth <= DEEPEST else ""])


def _integer(literal: str) -> int | str:
    return int(literal) if len(literal) <= LONGEST_INTEGER else literal


def _decimal(literal: str) -> float | str:
    """Return a number, or its text where it is beyond what readers can hold."""
    number = float(literal)
    return number if math.isfinite(number) else literal
