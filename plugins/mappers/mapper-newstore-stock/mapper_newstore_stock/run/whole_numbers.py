"""Whole numbers as an ERP writes them: exact or refused, never rounded and never guessed."""

from __future__ import annotations

import decimal
import re
import typing as t

from mapper_newstore_stock.errors import ConfigurationError

INT64_MAX = 2**63 - 1
#: What a quantity stays below, on both sides of zero: eleven digits, so that a list of ninety million such rows still
#: adds up within 64 bits, and a column of bar codes (12 to 14 digits) is not taken for stock.
UNITS_END = 10**11
#: From here on floats skip whole numbers: what is read may not be what was written.
FLOATS_SKIP = 2**53
EXPECTED = "expected a whole number"
#: Spaces that stand between thousands.
SPACES = " \u00a0\u202f"
SHOWN_CHARACTERS = 60
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:([.,'\u2019_ \u00a0\u202f])\d{3})(?:\1\d{3})*", re.ASCII)
_ZEROS_AFTER = re.compile(r"[+-]?[\d.,]*\d([.,])0+", re.ASCII)


class NumberReader:
    """Reads whole numbers.

    A text with a mark in it is a whole number only where it can mean nothing else: `12.0` is 12, but `12.000` is
    twelve to some and twelve thousand to others, so it is refused until a setting says which.

    Args:
        decimal_separator: What stands before decimals, "." or ","; "": not said.
        thousands_separator: What stands between thousands; a space means every kind of space. "": nothing does.

    Raises:
        ConfigurationError: they cannot be told apart.
    """

    def __init__(self, decimal_separator: str = "", thousands_separator: str = "") -> None:
        _check(decimal_separator, thousands_separator)
        #: Before decimals, and between thousands.
        self.separators = (decimal_separator, thousands_separator)
        self._thousands = SPACES if thousands_separator == " " else thousands_separator
        self._is_said = bool(decimal_separator or thousands_separator)
        mark = f"[{re.escape(self._thousands)}]" if thousands_separator else "(?!)"
        if decimal_separator:
            zeros = f"{re.escape(decimal_separator)}0+"
        elif "." in self._thousands:
            zeros = "(?!)"
        else:
            # Three zeros may be thousands.
            zeros = r"\.0{1,2}|\.0{4,}"
        self._whole = re.compile(rf"([+-]?(?:\d+|\d{{1,3}}(?:{mark}\d{{3}})+))({zeros})?", re.ASCII)

    def read(self, value: object) -> int | None:
        """Return a whole number of 64 bits; None when there is none.

        Raises:
            ValueError: it is no such number; says what was read and what to do, to follow the column's name.
        """
        kind = type(value)
        if value is None:
            return None
        if kind is int:
            return _in_range(t.cast("int", value), value)
        if isinstance(value, str):
            return self._of_text(value.strip())
        if isinstance(value, decimal.Decimal):
            return _of_decimal(value)
        if isinstance(value, float):
            return _of_float(value)
        raise ValueError(f"is {shown(value)} of type {kind.__name__}, {EXPECTED}")

    def read_units(self, value: object) -> int | None:
        """Return a number of units, which has at most eleven digits; None when there is none.

        Raises:
            ValueError: it is no such number; says what was read and what to do, to follow the column's name.
        """
        units = self.read(value)
        if units is not None and abs(units) >= UNITS_END:
            raise ValueError(f"is {units}, beyond eleven digits: is it a bar code?")
        return units

    def _of_text(self, text: str) -> int | None:
        if text == "":
            return None
        match = self._whole.fullmatch(text)
        if match is None:
            raise ValueError(f"is {shown(text)}, {EXPECTED}{self._advice(text)}")
        digits, zeros = match.groups()
        for mark in self._thousands:
            digits = digits.replace(mark, "")
        # Python refuses to read more than a few thousand digits.
        number = int(digits) if len(digits) < SHOWN_CHARACTERS else INT64_MAX + 1
        if zeros and abs(number) >= FLOATS_SKIP:
            raise ValueError(f"is {shown(text)}, {_SKIPPED}")
        return _in_range(number, text)

    def _advice(self, text: str) -> str:
        """Say which setting lets a text be read, if one does."""
        if match := _GROUPED.fullmatch(text):
            mark = match[1]
            if mark in ".," and not self._is_said:
                return f": set decimal_separator or thousands_separator to '{mark}', whichever that mark is"
            return f": if that mark is between thousands, set thousands_separator to '{mark}'"
        if (match := _ZEROS_AFTER.fullmatch(text)) and match[1] not in self._thousands:
            return f": if that mark is before decimals, set decimal_separator to '{match[1]}'"
        return ""


_SKIPPED = (
    "beyond 2^53, where floats skip whole numbers and a text ending in .0 was a float: let the ERP write it as a whole "
    "number"
)


def shown(value: object) -> str:
    """Return a value as an error shows it: all of it unless it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"


def _in_range(number: int, said: object) -> int:
    if not -INT64_MAX - 1 <= number <= INT64_MAX:
        raise ValueError(f"is {str(said)[:SHOWN_CHARACTERS]}, beyond 64 bits")
    return number


def _of_decimal(value: decimal.Decimal) -> int:
    if not value.is_finite() or value != value.to_integral_value():
        raise ValueError(f"is '{value}', {EXPECTED}")
    # Without a bound, 1E+999999999 would be written out.
    return _in_range(int(value) if value.adjusted() < SHOWN_CHARACTERS else INT64_MAX + 1, value)


def _of_float(value: float) -> int:
    if not value.is_integer():
        raise ValueError(f"is '{value}', {EXPECTED}")
    if abs(value) >= FLOATS_SKIP:
        raise ValueError(f"is {value!r}, {_SKIPPED}")
    return int(value)


def _check(decimal_separator: str, thousands_separator: str) -> None:
    if decimal_separator not in ("", ".", ","):
        raise ConfigurationError(f"decimal_separator: it is {decimal_separator!r}, expected '.' or ','")
    if thousands_separator and (len(thousands_separator) != 1 or thousands_separator not in f".,'\u2019_{SPACES}"):
        raise ConfigurationError(
            f"thousands_separator: it is {thousands_separator!r}, expected one of . , ' _ or a space"
        )
    if decimal_separator and decimal_separator == thousands_separator:
        raise ConfigurationError("decimal_separator, thousands_separator: one mark cannot be both")
