"""Debian's chromium without a window, driven through the DevTools protocol over a pipe."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

CHROMIUM = shutil.which("chromium")
"""Tests that need it skip where it is not."""
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # a container's root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-crash-reporter",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class Browser:
    """One page.

    Args:
        profile: An empty folder for what the browser keeps.
        width: Of the page, in pixels.
        height: Of the page, in pixels.
    """

    def __init__(self, profile: Path, width: int = 1400, height: int = 900) -> None:
        assert CHROMIUM
        (heard, commands), (self._answers, said) = os.pipe(), os.pipe()
        self._commands, self._unread, self._number = commands, b"", 0
        # The browser reads from 3 and writes to 4; what is passed on must not be in their way.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (heard, said)]
        line = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}', "bash", *line, "about:blank"],
            pass_fds=ends,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (heard, said, *ends):
            os.close(end)
        self._session: str | None = None
        page = next(
            target for target in self._do("Target.getTargets")["targetInfos"] if target["type"] == "page"
        )
        attached = self._do("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._do("Emulation.setDeviceMetricsOverride", **size)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self, url: str) -> None:
        """Go to an address; return at once."""
        self._do("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """Return what an expression of JavaScript gives, a promise's value if it gives one."""
        said = self._do(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def wait_for(self, *texts: str, selector: str = "body", timeout: float = 30) -> None:
        """Return when some element holds all texts.

        Args:
            texts: As they are shown; none waits for the element alone.
            selector: Of the element, in CSS.
            timeout: Seconds.

        Raises:
            TimeoutError: It does not come; the page's text is in the message.
        """
        elements = f"[...document.querySelectorAll({json.dumps(selector)})]"
        has_all = f"e => {json.dumps(texts)}.every(text => e.innerText.includes(text))"
        self.wait_until(f"{elements}.some({has_all})", timeout)

    def wait_until(self, condition: str, timeout: float = 30) -> None:
        """Return when an expression of JavaScript is true.

        Args:
            condition: The expression.
            timeout: Seconds.

        Raises:
            TimeoutError: It does not become so; the page's text is in the message.
        """
        deadline = time.monotonic() + timeout
        while not self.evaluate(condition):
            if time.monotonic() > deadline:
                shown = self.evaluate("location.href + '\\n' + document.body.innerText")
                raise TimeoutError(f"not within {timeout} s: {condition}\n{shown}")
            time.sleep(0.1)

    def click(self, selector: str, number: int = 0) -> None:
        """Click an element as a mouse does: the first that there is, or a later one."""
        found = f"document.querySelectorAll({json.dumps(selector)})[{number}]"
        x, y = self.evaluate(
            f"(() => {{ const e = {found}; e.scrollIntoView({{block: 'center'}}); const box = "
            "e.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] })()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self._do("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path: Path) -> None:
        """Write what is in view, as PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self._do("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """End the browser."""
        self._session = None
        self._send("Browser.close")
        os.close(self._commands)
        os.close(self._answers)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _do(self, method: str, **params: Any) -> dict[str, Any]:
        """Give a command, and return its result."""
        number = self._send(method, **params)
        while (message := self._read()).get("id") != number:
            pass
        assert "error" not in message, (method, message["error"])
        return message["result"]

    def _send(self, method: str, **params: Any) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        session = {"sessionId": self._session} if self._session else {}
        os.write(self._commands, json.dumps(message | session).encode() + b"\0")
        return self._number

    def _read(self, timeout: float = 60) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._answers], [], [], timeout)
            assert ready, f"the browser says nothing for {timeout} s"
            chunk = os.read(self._answers, 1 << 16)
            assert chunk, f"the browser has ended with {self._process.wait()}"
            self._unread += chunk
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)
