"""Lists behind http and https: read from the host that is named and from no other, in calls that end."""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    import aiohttp

#: In a URL of fsspec, also behind another protocol: `zip://a.csv::https://erp/stock.zip`.
_PROTOCOLS = re.compile(r"(?:^|::)(https?)://")
#: Of one call; a long list that can be read in ranges is read in several.
CALL_SECONDS, READ_SECONDS = 300, 60
#: Bytes of an answer that is taken at once: a range of a list, or a page with links.
LONGEST_ANSWER = 64 * 2**20
PART_BYTES = 2**16


class WebListError(OSError):
    """A list cannot be read from where it should be; the text shows no secret."""


def options(url: str) -> dict[str, t.Any]:
    """Return what fsspec is to open a URL with, beside it."""
    return {protocol: {"get_client": _client} for protocol in _PROTOCOLS.findall(url)}


def cause(error: BaseException) -> BaseException:
    """Return the WebListError that fsspec has made another error of, or else the error."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, WebListError):
        found = found.__cause__ or found.__context__
    return found or error


async def _client(**settings: t.Any) -> aiohttp.ClientSession:
    import aiohttp  # noqa: PLC0415 - installed where lists lie behind http

    class Bounded(aiohttp.ClientResponse):
        async def read(self) -> bytes:
            parts, size = [], 0
            async for part in self.content.iter_chunked(PART_BYTES):
                parts.append(part)
                size += len(part)
                if size > LONGEST_ANSWER:
                    self.close()
                    raise WebListError(f"an answer of more than {LONGEST_ANSWER} bytes, where a part was asked for")
            self._body = b"".join(parts)
            return self._body

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse)
    ours = {"response_class": Bounded, "trace_configs": [trace]}
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS, sock_read=READ_SECONDS)
    return aiohttp.ClientSession(**{"timeout": timeout, **settings, **ours})


async def _refuse(_session: object, _context: object, seen: aiohttp.TraceRequestRedirectParams) -> None:
    """Refuse what an answer points to: credentials must not go there, and its list is not the ERP's.

    Raises:
        WebListError: always.
    """
    from mapper_newstore_stock.http_session import without_secrets  # noqa: PLC0415 - most runs read no such list

    place = without_secrets(seen.response.headers.get("Location", "")) or "nowhere"
    raise WebListError(
        f"it answered {seen.response.status}, a redirect to {place}, which is not followed: name the place itself"
    )
