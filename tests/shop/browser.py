"""A real headless Chromium, driven over its debugging pipe."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import typing as t

from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from pathlib import Path

#: Names of the command on different systems.
COMMANDS = ("chromium", "chromium-browser", "google-chrome")
STOP_SECONDS = 30
#: The browser reads from file descriptor 3 and writes to file descriptor 4.
EXEC = """
import os, sys
# Copy first: one of the two may itself be 3 or 4.
for copy, number in [(os.dup(int(argument)), number) for argument, number in zip(sys.argv[1:3], (3, 4))]:
    os.dup2(copy, number)
    os.set_inheritable(number, True)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find() -> str | None:
    """Return the path of a Chromium, if this machine has one."""
    return next((path for name in COMMANDS if (path := shutil.which(name))), None)


class Browser:
    """One page in a browser of its own. Use it in a `with` block.

    Args:
        path: Path of the browser.
        directory: Where its profile is kept.

    Attributes:
        events: The browser's events so far: method and parameters.
    """

    def __init__(self, path: str, directory: Path) -> None:
        commands, self._write = os.pipe()
        self._read, answers = os.pipe()
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"]
        arguments = [path, *options, f"--user-data-dir={directory / 'profile'}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", EXEC, str(commands), str(answers), *arguments],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._answers = os.fdopen(self._read, "rb")
        self._number = 0
        self._left = b""
        self.events: list[tuple[str, dict[str, t.Any]]] = []
        self._session: str | None = None

    def __enter__(self) -> t.Self:
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Network", "Log", "Runtime"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait(STOP_SECONDS)
        os.close(self._write)
        self._answers.close()

    def call(self, method: str, **parameters: t.Any) -> dict[str, t.Any]:
        """Call a method of the Chrome DevTools Protocol and return its result."""
        self._number += 1
        message: dict[str, t.Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return t.cast("dict[str, t.Any]", answer["result"])

    def open(self, url: str, *, width: int, height: int) -> None:
        """Load a page into a window of this size, and wait until it has loaded."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not any(method == "Page.loadEventFired" for method, _ in self.events):
            self._next()

    def evaluate(self, expression: str) -> t.Any:
        """Return the value of an expression in the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until an expression is true in the page, whichever page is there by then.

        Raises:
            AssertionError: the time ran out.
        """
        wait_until(
            lambda: self.call("Runtime.evaluate", expression=f"!!({condition})")["result"].get("value"), condition
        )

    def press(self, key: str) -> None:
        """Press and release a key."""
        codes = {"Tab": (9, ""), "Enter": (13, "\r")}
        number, text = codes[key]
        known = {"key": key, "code": key, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **known)
        self.call("Input.dispatchKeyEvent", type="keyUp", **known)

    def prefer(self, scheme: str) -> None:
        """Set the preferred colour scheme: `dark` or `light`."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path) -> None:
        """Save a picture of the whole page."""
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(picture))

    def _next(self) -> dict[str, t.Any]:
        while b"\0" not in self._left:
            read = os.read(self._answers.fileno(), 65536)
            assert read, "the browser has ended"
            self._left += read
        raw, _, self._left = self._left.partition(b"\0")
        message: dict[str, t.Any] = json.loads(raw)
        if "method" in message:
            self.events.append((message["method"], message["params"]))
        return message
