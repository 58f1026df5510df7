"""A slow computer on a slow line, as Chromium can pretend to be, and how long it lets people wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

MEGABITS_S = 20
ROUND_TRIP_MS = 40
SLOWNESS = 4
"""How many times slower than the machine the pretended computer is."""
STEPS = 4
"""Presses of an arrow key that move about half a window: each moves an eighth."""

# Two frames on end with everything there: the first of them is on the screen when the second begins.
_WATCH = """
window.drawn = async there => {
  const settled = stage => stage !== null && stage.dataset.sharp === "true" && there(stage);
  for (let frames = 0; frames < 2; ) {
    await new Promise(requestAnimationFrame);
    frames = settled(document.querySelector("[data-ready=true]")) ? frames + 1 : 0;
  }
  return performance.now();
};
window.firstScreen = window.drawn(() => true);
"""
_CLICK = """
async address => {
  const from = performance.now();
  document.querySelector(`a[href="${address}"]`).click();
  return await window.drawn(() => true) - from;
}
"""
_MOVE = """
async ([key, times, share]) => {
  const stage = document.querySelector("[data-ready=true]");
  const x = () => parseFloat(stage.dataset.centre);
  const aim = x() + share * stage.querySelector("canvas").clientWidth / stage.dataset.zoom;
  const from = performance.now();
  for (let i = 0; i < times; i++) stage.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  return await window.drawn(() => Math.abs(x() - aim) * stage.dataset.zoom < 1) - from;
}
"""
_PICTURE = "document.querySelector('[data-ready=true] canvas').toDataURL()"


@dataclass(frozen=True)
class Fetched:
    """What came over the line: an address, and its bytes with all that was sent along."""

    address: str
    byte_size: int


class SlowLine:
    """Watches a page from its first request; slow from `slow_down` on.

    Args:
        page: has not been anywhere yet.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self._asked: dict[str, str] = {}
        self._cached: set[str] = set()
        self.fetched: list[Fetched] = []
        page.add_init_script(_WATCH)
        self._devtools = page.context.new_cdp_session(page)
        self._devtools.on("Network.requestWillBeSent", self._ask)
        self._devtools.on("Network.responseReceived", self._answer)
        self._devtools.on("Network.requestServedFromCache", lambda told: self._cached.add(told["requestId"]))
        self._devtools.on("Network.loadingFinished", self._finish)
        self._devtools.send("Network.enable")

    def slow_down(self) -> None:
        """Be slow from now on, with an empty record."""
        bytes_s = MEGABITS_S * 1e6 / 8
        speed = {"downloadThroughput": bytes_s, "uploadThroughput": bytes_s}
        self._devtools.send("Network.emulateNetworkConditions", {"offline": False, "latency": ROUND_TRIP_MS, **speed})
        self._devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWNESS})
        self.fetched.clear()

    def navigate(self, address: str) -> float:
        """Go to a slide's page. Seconds until its first screen is drawn."""
        self.page.goto(address, wait_until="commit")
        return float(self.page.evaluate("window.firstScreen")) / 1000

    def click(self, address: str) -> float:
        """Open a slide from the list. Seconds until its first screen is drawn."""
        return float(self.page.evaluate(_CLICK, address)) / 1000

    def move(self, key: str) -> float:
        """Move half a window with an arrow key, "ArrowRight" or "ArrowLeft". Seconds until it is drawn sharp."""
        share = 0.12 * STEPS * (1 if key == "ArrowRight" else -1)
        return float(self.page.evaluate(_MOVE, [key, STEPS, share])) / 1000

    def picture(self) -> str:
        """The slide as it is drawn now: a PNG as an address."""
        return str(self.page.evaluate(_PICTURE))

    def tiles(self) -> list[str]:
        """Addresses of the tiles that came over the line, once for each time."""
        return [one.address for one in self.fetched if "/slide_files/" in one.address]

    def _ask(self, told: dict[str, Any]) -> None:
        self._asked[told["requestId"]] = told["request"]["url"]

    def _answer(self, told: dict[str, Any]) -> None:
        if told["response"].get("fromDiskCache"):
            self._cached.add(told["requestId"])

    def _finish(self, told: dict[str, Any]) -> None:
        if told["requestId"] not in self._cached:
            self.fetched.append(Fetched(self._asked.get(told["requestId"], ""), int(told["encodedDataLength"])))
