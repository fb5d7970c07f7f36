"""A NetSuite that answers SuiteQL over HTTP, as far as docs/your-erp.md asks it: one location, one item."""

from __future__ import annotations

import http.server
import json
import threading
import typing as t
import urllib.parse

TOKEN = "a token"
NODE, PRODUCT = "DC01", "SKU-1"


class NetSuite:
    """Use it in a `with` block.

    Attributes:
        on_hand: Units in the location.
        committed: Units promised to orders that are known and not shipped, by order.
        shipped: Units shipped, by order.
        asked: The queries so far.
        page_rows: The most rows of one answer.
        moves: Whether a row moves to the next page while pages are read.
    """

    def __init__(self, on_hand: int) -> None:
        self.on_hand = on_hand
        self.committed: dict[str, int] = {}
        self.shipped: dict[str, int] = {}
        self.asked: list[str] = []
        self.page_rows = 1000
        self.moves = False
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> t.Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/services/rest/query/v1/suiteql"

    def knows(self, order: str) -> None:
        """Take an order of one unit."""
        self.committed[order] = 1

    def ships(self, order: str) -> None:
        """Fulfil an order."""
        self.shipped[order] = self.committed.pop(order)
        self.on_hand -= self.shipped[order]

    def _rows(self, query: str) -> list[dict[str, object]]:
        """Return the rows of one of the page's two queries, as JSON has them: numbers come as text."""
        if "FROM aggregateItemLocation" in query:
            available = self.on_hand - sum(self.committed.values())
            return [{"fulfillment_node_id": NODE, "product_id": PRODUCT, "quantity": str(available)}]
        orders = [*self.committed.items(), *self.shipped.items()]
        place = {"product_id": PRODUCT, "fulfillment_node_id": NODE}
        return [{"order_id": order, **place, "units": str(units)} for order, units in sorted(orders)]

    def _page(self, query: str, limit: int, offset: int) -> dict[str, object]:
        self.asked.append(query)
        rows, size = self._rows(query), min(limit, self.page_rows)
        first = offset - (self.moves and offset > 0)
        return {
            "items": [{"links": [], **row} for row in rows[first : first + size]],
            "hasMore": offset + size < len(rows),
        }

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        netsuite = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                said = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                is_allowed = (
                    self.headers["Authorization"] == f"Bearer {TOKEN}" and self.headers["Prefer"] == "transient"
                )
                self.send_response(200 if is_allowed else 401)
                self.end_headers()
                if is_allowed:
                    page = netsuite._page(body["q"], int(said["limit"][0]), int(said["offset"][0]))
                    self.wfile.write(json.dumps(page).encode())

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        return Handler
