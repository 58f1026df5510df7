/** What the server tells unasked, and whether it can be heard at the moment. */

import type { Slide } from "./client";

export type Listener = {
  /** The line is up, for the first time or again. */
  connected(): void;
  /** Changes may have gone unheard: ask for everything anew. Also comes first on every new line. */
  stale(): void;
  lost(): void;
  slide(slide: Slide): void;
  /** The session is over or locked. */
  session(): void;
};

/** Seconds before trying again once the browser itself has given up. */
const RETRY_S = 4;

/** Listen until the returned function is called. */
export function listen(listener: Listener): () => void {
  let source: EventSource;
  let retry: ReturnType<typeof setTimeout> | undefined;

  const connect = (): void => {
    source = new EventSource("/api/events");
    source.onopen = () => listener.connected();
    source.addEventListener("slide", (event) => listener.slide(JSON.parse(event.data) as Slide));
    source.addEventListener("stale", () => listener.stale());
    source.addEventListener("session", () => listener.session());
    source.onerror = () => {
      listener.lost();
      // The browser reconnects after a broken line, but not after a refusal such as 503.
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(connect, RETRY_S * 1000);
    };
  };

  connect();
  return () => {
    clearTimeout(retry);
    source.close();
  };
}
