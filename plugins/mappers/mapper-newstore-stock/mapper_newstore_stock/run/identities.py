"""Identities as an ERP keeps them: fulfillment nodes, products, and what bookings refer to.

Text, whole numbers and UUIDs name the same thing however a database hands them over; anything else is refused by
the name of its type, because what it looks like as text depends on the driver.
"""

from __future__ import annotations

import decimal
import uuid

from mapper_newstore_stock.run.whole_numbers import FLOATS_SKIP, shown

#: What NewStore's files cannot hold in a key (docs/newstore-api.md), and the most characters of one.
FORBIDDEN = ("=", "%")
MAX_CHARACTERS = 255


def identity(value: object) -> str:
    """Return an identity as text; "" when there is none.

    Raises:
        ValueError: it is none; says what was read and what to do, to follow the column's name.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _decoded(bytes(value))
    if isinstance(value, uuid.UUID) or type(value) is int:
        return str(value)
    if isinstance(value, decimal.Decimal):
        if value.is_finite() and value == value.to_integral_value() and value.adjusted() < MAX_CHARACTERS:
            return str(int(value))
        raise ValueError(f"is {value}, expected text or a whole number")
    if isinstance(value, float):
        if value.is_integer() and abs(value) < FLOATS_SKIP:
            return str(int(value))
        raise ValueError(f"is {value!r}, expected text or a whole number that a float can tell from the next one")
    raise ValueError(f"is of type {type(value).__name__}, expected text, a whole number or a UUID")


def unfit(text: str) -> str | None:
    """Return why NewStore cannot take an identity, to follow the column's name; None: it can."""
    if text.startswith('="') and text.endswith('"'):
        return f"is {shown(text)}, a formula of Excel: let the ERP write {shown(text[2:-1])} without = and quotes"
    for mark in FORBIDDEN:
        if mark in text:
            return f"is {shown(text)} and holds '{mark}', which NewStore's import files cannot: rename it in the ERP"
    if "\0" in text:
        return f"is {shown(text)} and holds a NUL character: correct it in the ERP"
    if "\n" in text or "\r" in text:
        return f"is {shown(text)} and holds a line break: correct it in the ERP"
    if len(text) > MAX_CHARACTERS:
        return f"is {shown(text)}, longer than the {MAX_CHARACTERS} characters NewStore takes: shorten it in the ERP"
    return None


def readable(value: object) -> str:
    """Return an identity as text, "" when it is none."""
    try:
        return identity(value)
    except ValueError:
        return ""


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise ValueError(f"is {shown(value)}, bytes that are not UTF-8: cast the column to text in the query") from None
