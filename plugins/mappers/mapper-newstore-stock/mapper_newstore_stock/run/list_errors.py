"""Why a list cannot be read, in one line: the cause that a driver has hidden, and no place said twice."""

from __future__ import annotations

import errno
import gzip
import http
import lzma
import os
import re
import socket
import typing as t
import zipfile
import zlib

from mapper_newstore_stock.drivers import missing_driver
from mapper_newstore_stock.run.list_bytes import named
from mapper_newstore_stock.run.web_lists import WebListError, cause

if t.TYPE_CHECKING:
    from collections.abc import Iterator

#: In a URL of fsspec, also behind another protocol: `zip://a.csv::https://erp/stock.zip`.
WEB = re.compile(r"(?:^|::)https?://")
#: What unpacking raises of an archive that is not whole.
_NOT_WHOLE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)


def why(error: Exception, url: str) -> str:
    """Return why what a URL names cannot be read; the text shows no secret.

    Args:
        error: What the store's driver raised.
        url: Path or fsspec URL.
    """
    if isinstance(error, ImportError):
        return missing_driver(error)
    if isinstance(found := cause(error), WebListError):
        return named(found, url)
    if WEB.search(url):
        return _why_not_answered(error, url)
    if isinstance(error, FileNotFoundError) and error.errno is None:
        return f"not found: {named(error, url)}"
    return _of_the_system(error) or named(error, url)


def is_damaged(error: Exception) -> bool:
    """Return whether an error of reading says that an archive is cut or damaged, not that it cannot be reached."""
    # bz2 has no error of its own.
    return isinstance(error, _NOT_WHOLE) or (type(error) is OSError and error.errno is None)


def _why_not_answered(error: Exception, url: str) -> str:
    """Return what came instead of a list; fsspec makes "not found" of nearly everything."""
    causes = list(_causes(error))
    for each in causes:
        if status := _status(each):
            return f"it answered {status} ({_phrase(status)})"
    last = causes[-1]
    if isinstance(last, FileNotFoundError) and last.errno is None:
        return f"it answered 404 ({_phrase(404)})"
    if said := _of_the_system(last):
        return f"no answer: {said}"
    return named(error, url)


def _of_the_system(error: BaseException) -> str:
    """Return the system's words for an error of its own, "" for another; fsspec puts other texts in their stead."""
    if isinstance(error, socket.gaierror):
        return str(error.strerror)
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(number, str):
        # fsspec: a path with `?` or `[` that it did not find.
        number = errno.ENOENT
    return os.strerror(number) if isinstance(number, int) and number > 0 else ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _status(error: BaseException) -> int:
    """Return the HTTP status that an error is of; 0: of none."""
    status = getattr(error, "status", 0)
    return status if type(status) is int and status >= 400 else 0


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "no standard status"
