"""Export files behind http and https: read from the host that is named and from no other, in calls that end."""

from __future__ import annotations

import re
import typing as t

from tap_newstore_fulfillment.masking import masked

if t.TYPE_CHECKING:
    import aiohttp

#: In a URL of fsspec, also behind another protocol: `zip://events::https://host/events.zip`.
_PROTOCOLS = re.compile(r"(?:^|::)(https?)://")
#: Of one call; a long file that can be read in ranges is read in several.
CALL_SECONDS, READ_SECONDS = 300, 60
#: Bytes of an answer that is taken at once: a range of a file, or a page with links.
LONGEST_ANSWER = 64 * 2**20
PART_BYTES = 2**16
#: HTTP's statuses that say that there is no such file.
GONE = (404, 410)
_NO_TEXT = re.compile(r"[^\x20-\x7e]|(?<=.{200}).")


class WebFileError(OSError):
    """A file cannot be read from where it should be; the text shows no secret."""


def options(url: str) -> dict[str, t.Any]:
    """Return what fsspec is to open a URL with, beside it."""
    return {protocol: {"get_client": _client} for protocol in _PROTOCOLS.findall(url)}


def cause(error: Exception) -> Exception:
    """Return what fsspec has made a FileNotFoundError of, if the file may be there all the same, or else the error."""
    found: BaseException | None = error
    while found is not None and not (isinstance(found, (WebFileError, TimeoutError)) or _is_no_answer(found)):
        found = found.__cause__ or found.__context__
    return t.cast("Exception | None", found) or error


def _is_no_answer(error: BaseException) -> bool:
    """Return whether this is aiohttp's error of another kind than that nothing is there."""
    return type(error).__module__.startswith("aiohttp.") and getattr(error, "status", None) not in GONE


async def _client(**settings: t.Any) -> aiohttp.ClientSession:
    import aiohttp  # noqa: PLC0415 - installed where files lie behind http

    class Bounded(aiohttp.ClientResponse):
        async def read(self) -> bytes:
            parts, size = [], 0
            async for part in self.content.iter_chunked(PART_BYTES):
                parts.append(part)
                size += len(part)
                if size > LONGEST_ANSWER:
                    self.close()
                    raise WebFileError(f"an answer of more than {LONGEST_ANSWER} bytes, where a part was asked for")
            self._body = b"".join(parts)
            return self._body

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse)
    ours = {"response_class": Bounded, "trace_configs": [trace]}
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS, sock_read=READ_SECONDS)
    return aiohttp.ClientSession(**{"timeout": timeout, **settings, **ours})


async def _refuse(_session: object, _context: object, seen: aiohttp.TraceRequestRedirectParams) -> None:
    """Refuse what an answer points to: credentials must not go there, and its files are not NewStore's.

    Raises:
        WebFileError: always.
    """
    place = _NO_TEXT.sub("?", masked(seen.response.headers.get("Location", ""))) or "nowhere"
    raise WebFileError(
        f"it answered {seen.response.status}, a redirect to {place}, which is not followed: name the place itself"
    )
