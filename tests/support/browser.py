"""A page in headless Chromium, driven over its DevTools protocol by real mouse and keyboard events."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
# resolves when both panes show turns, or after 10 s
PANES = """new Promise((done) => { const end = Date.now() + 10000; (function look() {
  const open = (pane) => pane.querySelector('.turns') || !pane.querySelector('select');
  const ready = [...document.querySelectorAll('.pane')].every(open);
  if (ready || Date.now() > end) done(ready); else setTimeout(look, 10); })(); })"""
# resolves when the dialogues have been counted
OPEN = """new Promise((done) => (function look() {
  if (/^\\d+ of/.test(count.textContent)) done(true); else setTimeout(look, 10); })())"""
# resolves with the count of the next filter that has been applied
COUNTED = """new Promise((done) => new MutationObserver(() => {
  if (/^\\d+ of/.test(count.textContent)) done(count.textContent); }).observe(count, {childList: true}))"""


class Page:
    """One open page; ``errors`` collects what its console and its scripts complained about."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._calls = 0
        self._session: dict[str, str] = {}
        self.errors: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and its result; events that come meanwhile are looked through for errors."""
        self._calls += 1
        await self._socket.send_json({"id": self._calls, "method": method, "params": parameters, **self._session})
        while True:
            told = json.loads(await self._socket.receive_str(timeout=60))
            if told.get("id") == self._calls:
                assert "error" not in told, (method, told)
                return told["result"]
            if told.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.errors.append(json.dumps(told["params"]))

    async def open(self, page: Path, width: int, height: int) -> None:
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        await self.call("Runtime.enable")
        await self.call("Log.enable")
        await self.call("Page.navigate", url=page.resolve().as_uri())
        # a navigation under way may throw the first question away with the empty page it was asked on
        while await self.value("location.href + document.readyState") != page.resolve().as_uri() + "complete":
            continue

    async def value(self, expression: str) -> Any:
        """The value of a JavaScript expression; of a promise, what it comes to."""
        told = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, (expression, told)
        return told["result"].get("value")

    async def click(self, selector: str, number: int = 0) -> None:
        """A real click in the middle of an element, so it must be in sight and nothing may cover it."""
        found = f"document.querySelectorAll({json.dumps(selector)})[{number}]"
        await self.value(f"{found}.scrollIntoView({{block: 'center'}})")
        box = await self.value(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({found}.getBoundingClientRect())")
        for kind in ("mousePressed", "mouseReleased"):
            where = {"x": box[0], "y": box[1], "button": "left", "clickCount": 1}
            await self.call("Input.dispatchMouseEvent", type=kind, **where)

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    async def texts(self, selector: str) -> list[str]:
        return await self.value(f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.textContent)")


@asynccontextmanager
async def browsing(page: Path, profile: Path, *, width: int = 1280, height: int = 900) -> AsyncIterator[Page]:
    """The page, opened in a browser of its own that ends with the block."""
    command = [str(CHROMIUM), *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    # a session of its own, so that its helper processes end with it
    browser = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, start_new_session=True)
    try:
        assert browser.stderr is not None
        async for line in browser.stderr:
            if b"DevTools listening on " in line:
                address = line.decode().split("DevTools listening on ")[1].strip()
                break
        else:
            raise AssertionError("the browser ended before it listened")
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
            opened = Page(socket)
            await opened.open(page, width, height)
            yield opened
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        await browser.communicate()
