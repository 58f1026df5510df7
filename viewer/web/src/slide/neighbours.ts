/**
 * Fetching what lies around the view while nothing else is asked for, so that the next step is there at once.
 *
 * The tiles are held as they came, not decoded in the viewer's memory: they cost the line an idle moment and nobody
 * anything else.
 */

import { hold, holds } from "./held";

/** How many are asked for at once: few, so that a movement finds the line free. */
const AT_ONCE = 2;

export class Neighbours {
  readonly #known = new Set<string>();
  #waiting: string[] = [];
  #loading = new Set<HTMLImageElement>();

  /** Say that the viewer has a tile. */
  know(address: string): void {
    this.#known.add(address);
  }

  /** Fetch these, the first ones first, instead of what was still waiting. */
  fetch(addresses: string[]): void {
    this.#waiting = addresses.filter((address) => !this.#known.has(address) && !holds(address));
    while (this.#loading.size < AT_ONCE && this.#waiting.length > 0) this.#next();
  }

  /** Ask for nothing more; what is on its way may come. */
  stop(): void {
    this.#waiting = [];
  }

  #next(): void {
    const address = this.#waiting.shift();
    if (address === undefined) return;
    const image = hold(address, "low");
    const done = (): void => {
      this.#loading.delete(image);
      this.#next();
    };
    // The viewer may take it before it is here. One that cannot be had is told about when it is looked at.
    image.addEventListener("load", done);
    image.addEventListener("error", done);
    this.#loading.add(image);
  }
}
