"""The sandbox as a process, and what a shop does with it."""

from __future__ import annotations

import typing as t

import requests

from tests.shop.process import Process, command, wait_until

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tests.shop.warm_start import Forks, Fresh

CALL_SECONDS = 30
CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-secret"
TENANT = "demo"


class NewStore:
    """A sandbox in a process of its own.

    Args:
        directory: For its log and the staged stock files.
        variables: Extra environment variables.
        forks: Starts the process; None: it is forked if it can be.
        options: Options of `newstore-sandbox serve`, with `_` for `-`.
    """

    def __init__(
        self,
        directory: Path,
        variables: dict[str, str] | None = None,
        *,
        forks: Forks | Fresh | None = None,
        **options: object,
    ) -> None:
        self.staging = directory / "staging"
        arguments = [command("newstore-sandbox"), "serve", "--port=0", f"--staging-dir={self.staging}"]
        arguments += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.process = Process(arguments, directory / "newstore.log", variables, forks)
        self.url = self.process.wait_for(r"listening on (http://\S+)")[1]

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.stop()

    @property
    def token_url(self) -> str:
        return f"{self.url}/auth/realms/{TENANT}/protocol/openid-connect/token"

    @property
    def target_settings(self) -> dict[str, t.Any]:
        """Settings of target-newstore-stock for this NewStore, with short waits."""
        return {
            "tenant": TENANT,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "api_url": self.url,
            "auth_url": self.token_url,
            "staging_url": str(self.staging),
            "staging_link": f"{self.url}/staging",
            "import_interval_seconds": 0,
            "poll_seconds": 0.05,
            "import_timeout_seconds": 60,
        }

    @property
    def client_settings(self) -> dict[str, t.Any]:
        """Settings of any API client of this NewStore."""
        names = ("tenant", "client_id", "client_secret", "api_url", "auth_url")
        return {name: self.target_settings[name] for name in names}

    def add_location(self, node: str, kind: str = "dc", *, is_inventory_master: bool = False) -> None:
        self._post("locations", {"id": node, "type": kind, "is_inventory_master": is_inventory_master})

    def set_stock(self, node: str, product: str, on_hand: int) -> None:
        """Set NewStore's number and the true shelf to the same value."""
        self.set_all_stock({(node, product): on_hand})

    def set_all_stock(self, on_hand: Mapping[tuple[str, str], int]) -> None:
        """Set NewStore's numbers and the true shelves to the same values."""
        keys = [({"fulfillment_node_id": key[0], "product_id": key[1]}, units) for key, units in on_hand.items()]
        self._post("stock", {"items": [{**key, "on_hand": units} for key, units in keys]})
        self._post("shelf", {"items": [{**key, "quantity": units} for key, units in keys]})

    def hold_back(self, node: str, product: str, **units: int) -> None:
        """Set `reservations`, `safety_stock`, `future` and `future_allocations` of a key."""
        self.hold_all_back([(node, product)], **units)

    def hold_all_back(self, keys: Iterable[tuple[str, str]], **units: int) -> None:
        """Set the same of several keys."""
        items = [{"fulfillment_node_id": node, "product_id": product, **units} for node, product in keys]
        self._post("held_back", {"items": items})

    def insights(self) -> dict[str, int]:
        """Return how many stock insights were asked for, refused, and the most within a second."""
        return dict(self._get("insights"))

    def receive_goods(self, node: str, product: str, units: int) -> None:
        """Put units on the true shelf."""
        self._post("shelf", {"items": [{"fulfillment_node_id": node, "product_id": product, "delta": units}]})

    def order(self, node: str, *products: str, force: bool = False) -> str:
        """Place an order of one unit of each product named and return its id."""
        items = [{"product_id": product} for product in products]
        order = self._post("orders", {"fulfillment_node_id": node, "items": items, "force": force})
        return str(order["order_id"])

    def ship(self, order: str) -> int:
        """Ship an order and return the logical timestamp of its completion."""
        return int(self._post(f"orders/{order}/ship", {})["logical_timestamp"])

    def fail(self, order: str) -> None:
        self._post(f"orders/{order}/fail", {})

    def sell(self, node: str, *products: str) -> int:
        """Order and ship at once; return the logical timestamp of the completion."""
        return self.ship(self.order(node, *products, force=True))

    def set_faults(self, **faults: object) -> None:
        self._post("faults", faults)

    def wait_for_delivery(self) -> None:
        """Wait until every event has been delivered."""
        self._get("delivery/wait?seconds=20")

    def redeliver(self, times: int, seed: int) -> None:
        """Deliver every accepted event again, in random order, and wait for it."""
        self._post("delivery/redeliver", {"times": times, "shuffle": True, "seed": seed})
        self.wait_for_delivery()

    def pause_delivery(self) -> None:
        self._post("delivery/pause", {})

    def resume_delivery(self) -> None:
        self._post("delivery/resume", {})

    def disturb_delivery(self, **disorder: object) -> None:
        """Deliver from now on with `duplicates`, `shuffle`, `delay_seconds` and `seed`."""
        self._post("delivery/disorder", disorder)

    def write_export_files(self, url: object, **options: object) -> list[str]:
        """Write the events published since the last call to export files below `url` and return the file names."""
        return list(self._post("export_files", {"url": str(url), **options})["files"])

    def upload_late_files(self, url: object) -> list[str]:
        """Upload the export files held back."""
        return list(self._post("export_files/upload_late", {"url": str(url)})["files"])

    def events(self) -> list[dict[str, t.Any]]:
        """Return the events published so far, each with its payload and the body as sent."""
        return list(self._get("events")["events"])

    def truth(self) -> dict[str, t.Any]:
        return self._get("truth")

    def numbers(self, node: str, product: str) -> dict[str, t.Any]:
        """Return on_hand, allocations, atp, shelf and free of a key."""
        for row in self.truth()["keys"]:
            if (row["fulfillment_node_id"], row["product_id"]) == (node, product):
                return dict(row)
        raise AssertionError(f"NewStore knows nothing of {node}/{product}")

    def on_hand(self, node: str, product: str) -> int | None:
        return t.cast("int | None", self.numbers(node, product)["on_hand"])

    def imports(self, state: str | None = None) -> list[dict[str, t.Any]]:
        """Return the imports: the applied ones in order, then the others."""
        return [job for job in self._get("imports")["imports"] if state in (None, job["state"])]

    def ranges(self) -> list[tuple[int, int] | None]:
        """Return the range of each applied import."""
        ranges = []
        for job in self.imports("finished"):
            declared = job["head"].get("completed_fulfillment_requests")
            ranges.append(tuple(declared.values()) if declared else None)
        return ranges

    def faults(self) -> dict[str, t.Any]:
        return self._get("faults")

    def open_jobs(self) -> list[str]:
        """Return the states of the jobs that have not ended."""
        return [job["state"] for job in self.imports() if job["state"] not in ("finished", "failed")]

    def let_jobs_work(self) -> None:
        """Wait until no job is waiting or running, unless jobs are held."""
        if not self.faults()["hold_jobs"]:
            wait_until(lambda: not {"waiting", "running"} & set(self.open_jobs()), "end of all jobs")

    def call(self, method: str, path: str, *, body: object = None, token: str | None = None) -> requests.Response:
        """Call NewStore's own API as a client would, with a fresh token unless one is given."""
        headers = {"Authorization": f"Bearer {self.token() if token is None else token}"}
        return requests.request(method, self.url + path, json=body, headers=headers, timeout=CALL_SECONDS)

    def token(self) -> str:
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        return str(requests.post(self.token_url, data=form, timeout=CALL_SECONDS).json()["access_token"])

    def _post(self, path: str, body: object) -> dict[str, t.Any]:
        return _checked(requests.post(f"{self.url}/sandbox/{path}", json=body, timeout=CALL_SECONDS))

    def _get(self, path: str) -> dict[str, t.Any]:
        return _checked(requests.get(f"{self.url}/sandbox/{path}", timeout=CALL_SECONDS))


def _checked(answer: requests.Response) -> dict[str, t.Any]:
    assert answer.ok, f"{answer.url}: {answer.status_code} {answer.text}"
    return t.cast("dict[str, t.Any]", answer.json())
