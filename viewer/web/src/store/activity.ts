/** Somebody works at this screen: told to the server now and then, so that the session does not lock meanwhile. */

import { session } from "./session.svelte";

/** Milliseconds between two tellings at the least: the server writes it down once a minute. */
const PACE_MS = 60_000;

const DOINGS = ["pointerdown", "keydown", "wheel", "touchmove"] as const;

/** Watch until the returned function is called. */
export function watchActivity(): () => void {
  let told = Date.now();
  let waiting: ReturnType<typeof setTimeout> | undefined;

  const tell = (): void => {
    waiting = undefined;
    told = Date.now();
    // A line that is down for a moment shows elsewhere; what locks is found out by whoever asks next.
    if (session.step === "ACTIVE") void session.noteActivity().catch(() => {});
  };
  const noticed = (): void => {
    if (waiting !== undefined || Date.now() >= session.idleUntil) return;
    // What was done just after a telling is told when the next one is due, and not lost.
    waiting = setTimeout(tell, Math.max(0, told + PACE_MS - Date.now()));
  };

  for (const doing of DOINGS) addEventListener(doing, noticed, { passive: true, capture: true });
  return () => {
    clearTimeout(waiting);
    for (const doing of DOINGS) removeEventListener(doing, noticed, { capture: true });
  };
}
