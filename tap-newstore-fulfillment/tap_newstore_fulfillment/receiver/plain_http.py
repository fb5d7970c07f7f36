"""HTTP/1.1 and nothing else on the wire, without ever answering 400 for what did not arrive.

An offer to upgrade (Java's client, `curl --http2` and some proxies make one with every request) is
declined, and the request it came with is taken, as RFC 9110, section 7.8, allows. The parser
underneath would stop at the offer, and the body would look empty. What cannot be parsed is answered
503: NewStore takes a 400 for the event's rejection and never sends it again (newstore-api.md, section 4).
"""

from __future__ import annotations

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

RETRY_AFTER_SECONDS = 5
NOT_HTTP = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: %d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    % RETRY_AFTER_SECONDS
)
#: The key of the application's state under which it says who counts what is answered here.
COUNT_NOT_HTTP = "count_not_http"


class PlainHttp(HttpToolsProtocol):
    """One connection."""

    def data_received(self, data: bytes) -> None:
        """Take bytes from the wire."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline(data[offer.args[0] :])
        except httptools.HttpParserError:
            self.logger.warning("Answered 503: what came is not HTTP, or was damaged on the way")
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        """Begin a request, unless it comes again without its offer."""
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request, unless it comes again without its offer."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, and close the connection."""
        del msg
        self.app_state.get(COUNT_NOT_HTTP, lambda: None)()
        self.transport.write(NOT_HTTP)
        self.transport.close()

    def _decline(self, rest: bytes) -> None:
        """Parse the request again without its offer: its head, and what has come behind it."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("")
            return
        version = self.parser.get_http_version().encode()
        head = [b"%s %s HTTP/%s\r\n" % (method, self.url, version)]
        head += [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"".join([*head, b"\r\n", rest]))
