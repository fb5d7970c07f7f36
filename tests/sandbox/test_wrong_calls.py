"""What the sandbox says of a call or an option that is wrong: what is, in one line, and never a traceback."""

from __future__ import annotations

import typing as t

import pytest
import requests

from tests.shop.plugin import run_command

if t.TYPE_CHECKING:
    from tests.shop.newstore import NewStore

KEY = {"fulfillment_node_id": "DC01", "product_id": "A"}


def stock(**item: object) -> dict[str, t.Any]:
    return {"items": [{**KEY, **item}]}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("stock", {"items": "x"}, "items: expected a list of objects"),
        ("stock", {"items": ["x"]}, "items: expected a list of objects"),
        ("stock", stock(on_hand="10"), "on_hand: expected a whole number, got '10'"),
        ("shelf", stock(quantity=1.5), "quantity: expected a whole number, got 1.5"),
        ("held_back", stock(future=None), "future: expected a whole number, got None"),
        ("orders", {"fulfillment_node_id": "DC01", "items": []}, "items: expected at least one unit"),
        ("orders", {**KEY, "items": [{**KEY, "quantity": -1}]}, "items: expected at least one unit"),
        ("orders", {**KEY, "items": [{**KEY, "quantity": "2"}]}, "quantity: expected a whole number, got '2'"),
        ("export_files", {"url": "/proc/nowhere"}, "/proc/nowhere"),
    ],
)
def test_a_call_that_is_wrong_says_what_is(newstore: NewStore, path: str, body: dict[str, t.Any], said: str) -> None:
    answer = requests.post(f"{newstore.url}/sandbox/{path}", json=body, timeout=10)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["message"]
    assert requests.get(f"{newstore.url}/sandbox/truth", timeout=10).status_code == 200


def test_a_wait_that_is_no_number_is_refused(newstore: NewStore) -> None:
    assert requests.get(f"{newstore.url}/sandbox/delivery/wait?seconds=soon", timeout=10).status_code == 400


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port=99999"], "Invalid value for '--port': 99999 is not in the range 0<=x<=65535."),
        (["--port=0", "--staging-dir=/proc/nowhere"], "--staging-dir: cannot make /proc/nowhere: No such file"),
    ],
)
def test_an_option_that_is_wrong_is_one_error(options: list[str], said: str) -> None:
    done = run_command("newstore-sandbox", "serve", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
