/**
 * What a slide's page needs first, asked for before the application is here: on a slow computer that is a second.
 *
 * Loaded beside the application and short enough to run long before it; see `vite.config.ts`.
 */

import type { Viewing } from "./api/client";
import { hold } from "./slide/held";
import { tilesIn } from "./slide/tiles";
import { viewOf } from "./slide/view";

/** CSS pixels of the window's height that the stage leaves to what stands above and below it. */
const FURNITURE = 110;

const begun = new Map<string, Promise<Response>>();

function begin(what: string, asking: Promise<Response>): Promise<Response> {
  // Whoever takes the answer hears of a failure; nobody else needs to.
  asking.catch(() => {});
  begun.set(what, asking);
  return asking;
}

/** The tiles of the first screen, as far as they can be told before there is a screen. */
function fetchTiles(viewing: Viewing): void {
  const { size } = viewing.slide;
  if (!size) return;
  const [width, height] = [innerWidth, innerHeight - FURNITURE];
  const whole = { x: size.width / 2, y: size.height / 2, zoom: Math.min(width / size.width, height / size.height) };
  const { x, y, zoom } = viewOf(location.hash) ?? whole;
  const area = { x: x - width / zoom / 2, y: y - height / zoom / 2, width: width / zoom, height: height / zoom };
  for (const address of tilesIn(viewing, area, zoom)) hold(address);
}

const slide = /^\/slides\/([0-9a-f-]{36})$/i.exec(location.pathname)?.[1];
if (slide !== undefined) {
  const headers = { "content-type": "application/json" };
  const asked = fetch("/api/viewings", { method: "POST", headers, body: JSON.stringify({ slide_id: slide }) });
  void begin("session", fetch("/api/session"));
  void begin(`viewing ${slide}`, asked)
    .then(async (answer) => {
      if (answer.ok) fetchTiles((await answer.clone().json()) as Viewing);
      // Who signs in first is asked for anew.
      else begun.delete(`viewing ${slide}`);
    })
    .catch(() => {});
}

/** How to get what was asked for early, once; undefined where it must be asked for now. */
export function take(what: string): (() => Promise<Response>) | undefined {
  const answer = begun.get(what);
  begun.delete(what);
  return answer && (() => answer);
}
